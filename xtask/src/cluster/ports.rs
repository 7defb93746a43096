//! Ports of loopback that nobody listens on.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::Range;

use anyhow::Context;

/// Below those that the kernel gives to connections and to whoever asks for port 0, so that nobody takes one between
/// our look and the start of the process that it is for.
const RANGE: Range<u16> = 10_000..32_000;

/// Free ports, all different.
pub(super) fn free<const N: usize>() -> anyhow::Result<[u16; N]> {
    let mut held = Vec::new();
    for _ in RANGE {
        if held.len() == N {
            break;
        }
        // Another cluster may be looking right now; at random, the two do not meet.
        let port = rand::random_range(RANGE);
        held.extend(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok().map(|listener| (port, listener)));
    }
    let ports: Vec<u16> = held.iter().map(|(port, _)| *port).collect();
    ports.try_into().ok().with_context(|| format!("this machine has no {N} free ports"))
}

/// Whether somebody listens.
pub(super) fn answers(port: u16) -> Option<()> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok().map(drop)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn free_ports_differ_and_nobody_answers() {
        let ports = free::<20>().unwrap();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), 20);
        assert!(ports.iter().all(|port| RANGE.contains(port)));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(answers(listener.local_addr().unwrap().port()).is_some());
    }
}
