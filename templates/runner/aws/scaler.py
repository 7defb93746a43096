"""Starts a runner when there is work for it, and stops it when there was none for a while.

Asked once a minute. The plane counts what waits for this runner and what it holds, so a long job is work like any other. What
fails changes nothing: the next minute asks again. A runner that shall run always, and had scaled to zero, is started again.
"""

import json
import os
import urllib.request

import boto3

PATIENCE_SECONDS = 20


def wanted(work, desired, idle_seconds):
    """How many tasks there should be: 0 or 1."""
    if work["queued"] + work["running"] > 0:
        return 1
    return 0 if work["idle_s"] >= idle_seconds else desired


def ask(url, runner, token):
    """What the plane has to do for this runner."""
    headers = {"X-Worker-ID": runner, "X-Worker-Token": token}
    request = urllib.request.Request(f"{url}/api/platform/queue", data=b"", headers=headers, method="POST")
    with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
        return json.load(answer)


def work_of(env):
    """What there is to do for the runner."""
    token = boto3.client("secretsmanager").get_secret_value(SecretId=env["TOKEN_SECRET"])["SecretString"]
    return ask(env["ALETHIA_URL"], env["RUNNER_ID"], token)


def handle(_event, _context):
    env = os.environ
    always = env["ALWAYS"] == "true"
    work = {} if always else work_of(env)
    ecs = boto3.client("ecs")
    service = {"cluster": env["CLUSTER"], "service": env["SERVICE"]}
    described = ecs.describe_services(cluster=env["CLUSTER"], services=[env["SERVICE"]])
    desired = described["services"][0]["desiredCount"]
    target = 1 if always else wanted(work, desired, int(env["IDLE_SECONDS"]))
    if target != desired:
        ecs.update_service(**service, desiredCount=target)
    said = {**work, "from": desired, "to": target}
    print(json.dumps(said))
    return said
