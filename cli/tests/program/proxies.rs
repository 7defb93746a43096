//! Where the program goes, and through whom.

use std::io::ErrorKind;
use std::net::TcpListener;

use executor_api::testing::tool;

use crate::desk::{Desk, leaves};

#[tokio::test]
async fn what_stays_on_this_machine_goes_past_every_proxy() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let mut desk = Desk::new();
    desk.set("HTTP_PROXY", &address);
    desk.set("ALL_PROXY", &address);
    let server = desk.serve().await;
    let runner = desk.hire().await;
    assert_eq!(desk.document(&["runner", "list"]).await["runners"][0]["name"], "laptop");
    if tool("terraform").is_some() {
        let stack = desk.stack("stack", "output \"is\" { value = 1 }\n");
        desk.run(&["job", "submit", "terraform", "--dir", &stack, "--follow"]).await.expect(0);
    }
    leaves(runner).await;
    leaves(server).await;
    let heard = proxy.accept().map(|(_, who)| who).map_err(|error| error.kind());
    assert_eq!(heard, Err(ErrorKind::WouldBlock), "tokens went to a proxy");
}

#[tokio::test]
async fn the_same_is_an_address_and_a_switch_for_users_as_for_runners() {
    let mut desk = Desk::new();
    desk.set("ALETHIA_TOKEN", "a-token");
    let refused = desk.run(&["job", "list", "--origin", "http://plane.invalid"]).await.expect(78);
    assert!(refused.err.contains("ALETHIA_WEB_ORIGIN or --origin is http:// to another machine"), "{}", refused.err);
    desk.set("ALETHIA_ALLOW_HTTP", "yes");
    let refused = desk.run(&["job", "list"]).await.expect(78);
    assert!(refused.err.contains("ALETHIA_ALLOW_HTTP is true or false, not \"yes\""), "{}", refused.err);

    desk.set("ALETHIA_ALLOW_HTTP", "1");
    desk.set("ALL_PROXY", "http://eve:hunter2@127.0.0.1:1");
    for origin in ["http://plane.invalid", "https://plane.invalid/below/"] {
        let said = desk.run(&["job", "list", "--origin", origin]).await.expect(1).err;
        let through = format!("{} does not answer through the proxy http://127.0.0.1:1/", origin.trim_end_matches('/'));
        assert!(said.contains(&through) && !said.contains("hunter2"), "{said}");
    }
    desk.set("NO_PROXY", "plane.invalid");
    let said = desk.run(&["job", "list", "--origin", "https://plane.invalid"]).await.expect(1).err;
    assert!(said.contains("does not answer; is it running?"), "{said}");
}
