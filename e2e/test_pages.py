"""The pages of the documentation: every command in them works as it stands, and does what the page says."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from support.client import Client
from support.iam import client_of, create_user
from support.key_providers import DEV_TOKEN, Bao, Moto, private_file
from support.nats import NatsServer
from support.pages import Reader, blocks_of, commands_of, sections_of
from support.server import BINARY, wait_until
from support.tools import Tool
from support.webhook import Receiver

HTTPS, HTTP = "https://127.0.0.1:9443", "http://127.0.0.1:9000"
KEYS = "AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=..."


@pytest.fixture
def reader(fresh_server, tmp_path):
    return Reader(Tool("aws", fresh_server, tmp_path))


def key_in(printed):
    """Access key ID and secret that create-access-key has shown."""
    key = json.loads(printed)["AccessKey"]
    return key["AccessKeyId"], key["SecretAccessKey"]


def test_program_access(fresh_server, reader):
    server = fresh_server
    report = b"the report " * 1000
    (reader.home / "report.pdf").write_bytes(report)
    ca_file = "~/.config/coffer/tls/ca.pem"
    keys = [(server.credentials.access_key, server.credentials.secret_key)]
    for command in commands_of("program-access.md"):
        if KEYS in command:
            command = command.replace(KEYS, "AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}".format(*keys.pop()))
        printed = reader.run(command.replace(HTTPS, server.tls_url).replace(ca_file, str(server.ca_file)))
        if "create-access-key" in command:
            keys.append(key_in(printed))
    assert (reader.home / "copy.pdf").read_bytes() == report
    # Nothing else got in. Not even root sees the bucket without TLS.
    root = client_of("s3", server, tls=True)
    assert [each["Key"] for each in root.list_objects_v2(Bucket="reports").get("Contents", [])] == ["2026/report.pdf"]


def test_accounts(fresh_server, reader):
    def configure(profile, key):
        assert reader.attempt(f"aws configure --profile {profile}", "\n".join([*key, "us-east-1", "json", ""])).returncode == 0

    key, printed = None, {}
    for command in commands_of("accounts.md"):
        command = command.replace(HTTP, fresh_server.url)
        if command == "aws configure --profile admin":
            configure("admin", key)
            continue
        printed[command.split(" --")[0].split(" \\")[0]] = answer = reader.run(command)
        if "create-access-key" in command:
            key = key_in(answer)
        if "create-access-key --user-name ann" in command:
            configure("ann", key)
    account = reader.environment["account"]
    assert f"arn:aws:sts::{account}:assumed-role/OrganizationAccountAccessRole/" in printed["aws sts get-caller-identity"]
    assert {each["Id"] for each in json.loads(printed["aws organizations list-accounts"])["Accounts"]} == {
        "000000000000", account}
    closed = client_of("organizations", fresh_server).describe_account(AccountId=account)["Account"]
    assert closed["Status"] == "SUSPENDED"
    for profile in ("ann", "tenant"):
        assert reader.attempt(f"aws sts get-caller-identity --profile {profile}").returncode != 0


def test_web_identity(fresh_server, reader):
    """As far as one comes without a token; test_web_identity.py has a provider that gives some."""
    commands = commands_of("web-identity.md")
    for command in commands[:-2]:
        reader.run(command.replace(HTTP, fresh_server.url))
    assert commands[-2].startswith("export AWS_ROLE_ARN=")
    iam = client_of("iam", fresh_server)
    assert iam.get_role(RoleName="backup")["Role"]["Arn"] in commands[-2]
    arn = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"][0]["Arn"]
    assert iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ClientIDList"] == ["backup"]


def test_notifications(make_server, tmp_path):
    """The targets of the page, at addresses of this machine."""
    receiver = Receiver().start()
    (tmp_path / "inbox.key").write_text("a key of at least 24 bytes")
    nats = NatsServer(tmp_path, 'authorization { user: "coffer", password: "secret" }').start()
    (tmp_path / "nats.password").write_text("secret")
    (settings,) = blocks_of("notifications.md", "toml")
    for name, value in (
        ("https://hooks.example.com/s3", receiver.url), ("tls://nats.example.com:4222", nats.url), ("/etc/coffer", str(tmp_path))):
        assert name in settings
        settings = settings.replace(name, value)
    (tmp_path / "coffer.toml").write_text(settings)
    server = make_server(environment={"COFFER_CONFIG": str(tmp_path / "coffer.toml")}).start()
    reader = Reader(Tool("aws", server, tmp_path / "home"))
    reader.home.mkdir()
    (reader.home / "cat.jpg").write_bytes(b"cat")
    for command in commands_of("notifications.md"):
        reader.run(command.replace(HTTP, server.url))
        if "aws s3 cp" in command:
            (record,) = receiver.wait("photos", 1)
            assert record["s3"]["configurationId"] == "new-photos" and record["s3"]["object"]["key"] == "new/cat.jpg"
    assert "NotificationConfiguration" not in reader.run("aws s3api get-bucket-notification-configuration --bucket photos")
    receiver.stop()
    nats.stop()


def test_replication(make_server, tmp_path):
    """Both files of the page are written as it shows them; the key is the one that its command makes."""
    there, here = make_server().start(), make_server()
    reader = Reader(Tool("aws", there, tmp_path))
    (reader.home / "report.pdf").write_bytes(b"the report")
    files = {
        "https://backup.example:9443": there.tls_url, HTTPS: here.tls_url, "/etc/coffer/backup-ca.pem": str(there.ca_file),
        "=backup-ca.pem": f"={there.ca_file}", "~/.config/coffer/tls/ca.pem": str(here.ca_file),
        "/etc/coffer/reports-backup.credentials": str(tmp_path / "credentials")}
    documents = blocks_of("replication.md", "toml")
    servers, made = [there, here], None
    for command in commands_of("replication.md"):
        for shown, meant in files.items():
            command = command.replace(shown, meant)
        if KEYS in command:
            server = servers.pop(0)
            command = command.replace(KEYS, "AWS_ACCESS_KEY_ID={0.access_key} AWS_SECRET_ACCESS_KEY={0.secret_key}".format(server.credentials))
        printed = reader.run(command)
        if "create-access-key" in command:
            made = key_in(printed)
            credentials, targets = documents
            (tmp_path / "credentials").write_text(
                credentials.replace("AKIA...", made[0]).replace('secret_key = "..."', f'secret_key = "{made[1]}"'))
            (tmp_path / "credentials").chmod(0o600)
            for shown, meant in files.items():
                targets = targets.replace(shown, meant)
            (tmp_path / "targets.toml").write_text(targets)
            here.environment["COFFER_REPLICATION_TARGETS"] = str(tmp_path / "targets.toml")
            here.start()
    s3 = client_of("s3", here)
    status = lambda: s3.head_object(Bucket="reports", Key="report.pdf")["ReplicationStatus"]
    wait_until(lambda: status() == "COMPLETED", 30, "the report is replicated")
    assert client_of("s3", there).get_object(Bucket="reports-copy", Key="report.pdf")["Body"].read() == b"the report"
    here.close()
    there.close()


def test_website_and_cors(make_server, tmp_path):
    server = make_server(environment={"COFFER_WEBSITE_DOMAIN": "web.localhost"}).start()
    reader = Reader(Tool("aws", server, tmp_path))
    printed = []
    for command in commands_of("website-and-cors.md"):
        command = command.replace(HTTP, server.url).replace("web.localhost:9000", f"web.localhost:{server.port}")
        printed.append((command, reader.run(command)))
    pages = [answer for command, answer in printed if "app.web.localhost" in command and "OPTIONS" not in command and "curl" in command]
    assert pages == ["<h1>Hello</h1>\n", "<h1>There is no such page</h1>\n", "<h1>Hello</h1>\n"]
    allowed, refused = [answer for command, answer in printed if "OPTIONS" in command]
    assert "200 OK" in allowed and f"access-control-allow-origin: http://app.web.localhost:{server.port}" in allowed.lower()
    assert "<Code>AccessForbidden</Code>" in refused


def test_kms(fresh_server, reader):
    printed = {}
    for command in commands_of("kms.md"):
        command = command.replace(HTTPS, fresh_server.tls_url).replace("~/.config/coffer/tls/ca.pem", str(fresh_server.ca_file))
        if "# refused: KMS.DisabledException" in command:
            done = reader.attempt(command)
            assert done.returncode != 0 and "KMS.DisabledException" in done.stdout, done.stdout
            assert not (reader.home / "now.txt").exists()
            continue
        printed[command.split(" --")[0]] = reader.run(command)
    kms = client_of("kms", fresh_server)
    key = kms.describe_key(KeyId="alias/reports")["KeyMetadata"]
    assert key["KeyId"] == reader.environment["key"] and key["KeyState"] == "Enabled" and key["Description"] == "Reports"
    assert json.loads(printed["aws s3api head-object"])["SSEKMSKeyId"] == key["Arn"]
    rotations = json.loads(printed["aws kms list-key-rotations"])["Rotations"]
    assert [each["KeyMaterialState"] for each in rotations] == ["NON_CURRENT", "CURRENT"]
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["RotationPeriodInDays"] == 180
    for name in ("before.txt", "now.txt"):
        assert (reader.home / name).read_text() == "the figures\n"


def operator(server, home):
    """A reader at the machine of the server, who has `coffer` and its settings."""
    home.mkdir(exist_ok=True)
    reader = Reader(Tool("aws", server, home))
    (home / "coffer").symlink_to(BINARY)
    reader.environment |= {
        "PATH": f"{home}:{reader.environment['PATH']}", "AWS_ENDPOINT_URL": server.tls_url,
        "COFFER_DATA": str(server.data), "COFFER_KEY_FILE": str(server.key_file)}
    return reader


def test_keys(make_server, tmp_path):
    """The key is lost before it is recovered, and the new machine is one that has the data alone."""
    server = make_server().start()
    reader = operator(server, tmp_path)
    s3 = client_of("s3", server)
    s3.create_bucket(Bucket="photos")
    s3.put_object(Bucket="photos", Key="cat.jpg", Body=b"cat" * 50_000)
    for name in ("passphrase", "new-passphrase"):
        (tmp_path / name).write_text(f"six words of the file {name}\n")
        (tmp_path / name).chmod(0o600)
    printed = {}
    for command in commands_of("keys.md"):
        command = command.replace("/etc/coffer", str(tmp_path))
        if "systemd-creds" in command:
            continue
        if command == "coffer key rotate-metadata":
            assert "stop the server first" in reader.attempt(command).stdout
            server.stop()
            assert "generation 2" in reader.run(command)
            server.start()
            continue
        if command.startswith("coffer key recover"):
            server.stop()
            server.key_file.unlink()
            server.key_file.with_name("root.key.keyring").unlink()
            server.key_file = tmp_path / "new" / "root.key"
            reader.environment["COFFER_KEY_FILE"] = str(server.key_file)
        if command.startswith("coffer shred"):
            server.start()
            photo = client_of("s3", server).get_object(Bucket="photos", Key="cat.jpg")
            assert photo["Body"].read() == b"cat" * 50_000
        printed[command] = reader.run(command)
    verified = [answer for command, answer in printed.items() if "verify-backup" in command]
    assert len(verified) == 2 and all("the backup opens this store" in answer for answer in verified)
    assert "Nothing refers to generation 1 of the root key." in printed["coffer key rotate-root"]
    (recovered,) = [answer for command, answer in printed.items() if "recover" in command]
    assert "it opens the metadata of the store" in recovered
    assert "data              verified" in printed["coffer inspect s3://photos/cat.jpg --verify-data"]
    assert "The signature holds" in printed["coffer audit verify-report report.txt"]
    with pytest.raises(ClientError, match="NoSuchKey"):
        client_of("s3", server).get_object(Bucket="photos", Key="cat.jpg")


def test_keys_as_a_credential(make_server, tmp_path):
    """The key and the unit of the page, with this test in the place of systemd."""
    (make_key,) = [command for command in commands_of("keys.md") if "systemd-creds" in command]
    made, encrypt = make_key.split("| \\\n")
    assert encrypt.split() == ["systemd-creds", "encrypt", "--name=coffer-root", "-", "/etc/credstore.encrypted/coffer-root"]
    credentials = tmp_path / "credentials"
    credentials.mkdir(mode=0o700)
    subprocess.run(["bash", "-c", f"{made} > {credentials}/coffer-root && chmod 0400 {credentials}/coffer-root"], check=True)
    (unit,) = blocks_of("keys.md", "ini")
    assert "LoadCredentialEncrypted=coffer-root\n" in unit
    settings = dict(line.removeprefix("Environment=").split("=", 1) for line in unit.splitlines() if line.startswith("Environment="))
    settings = {name: value.replace("%d", str(credentials)).replace("%S", str(tmp_path / "lib")) for name, value in settings.items()}
    server = make_server(environment={"CREDENTIALS_DIRECTORY": str(credentials), "COFFER_KEYRING_FILE": settings["COFFER_KEYRING_FILE"]})
    server.data, server.key_file = Path(settings["COFFER_DATA"]), settings["COFFER_KEY_FILE"]
    for _ in range(2):
        server.start()
        assert server.stop() == 0


@pytest.mark.parametrize("heading", sections_of("leaked-key.md"))
def test_leaked_key(make_server, tmp_path, heading):
    """Each section on a store of its own, with an object that stays what it is. Who destroys is asked, and says yes."""
    server = make_server(environment={"COFFER_KEY_DESTRUCTION_DELAY_SECONDS": "0"}).start()
    reader = operator(server, tmp_path / "home")
    s3, kms, iam = client_of("s3", server, tls=True), client_of("kms", server), client_of("iam", server)
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    s3.create_bucket(Bucket="photos")
    s3.put_object(Bucket="photos", Key="cat.jpg", Body=b"cat" * 50_000, ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    _, leaked = create_user(iam, "ann")
    printed = {}
    for command in sections_of("leaked-key.md")[heading]:
        command = command.replace("KEY", key).replace("AKIA...", leaked.access_key)
        if "destroy-generation" in command:
            assert "Say --yes" in reader.attempt(command).stdout
            command += " --yes"
        if command == "coffer key rotate-metadata":
            server.stop()
        printed[command] = reader.run(command)
        if command == "coffer key rotate-metadata":
            server.start()
        if "disable-key" in command:
            assert Client(server).get("photos", "cat.jpg").text("Code") == "KMS.DisabledException"
    server.restart()
    assert s3.get_object(Bucket="photos", Key="cat.jpg")["Body"].read() == b"cat" * 50_000
    if "update-access-key" in " ".join(printed):
        assert Client(server, leaked).get("photos", "cat.jpg").text("Code") == "InvalidAccessKeyId"
    shown = json.loads(reader.run("coffer key show --json"))["generations"]
    destroys = any("generation root" in command for command in printed)
    assert [each["state"] for each in shown] == (["destroyed", "active"] if destroys else ["active"])
    server.close()


def test_key_providers(make_server, tmp_path):
    """The page's file at addresses of this machine, and its policy for what the server does at OpenBao, under an AppRole."""
    bao, moto = Bao(tmp_path).start(), Moto(tmp_path).start()
    server = make_server()
    reader = operator(server, tmp_path / "home")
    reader.environment |= {"PATH": f"{Path(bao.path).parent}:{reader.environment['PATH']}", "BAO_ADDR": bao.url, "BAO_TOKEN": DEV_TOKEN}
    serving = [command for command in commands_of("key-providers.md") if command.startswith("coffer serve")]
    for command in commands_of("key-providers.md"):
        if command.startswith("bao "):
            reader.run(command)
    (policy,) = blocks_of("key-providers.md", "hcl")
    bao.call("PUT", "sys/policies/acl/coffer", {"policy": policy})
    bao.call("POST", "sys/auth/approle", {"type": "approle"})
    bao.call("POST", "auth/approle/role/coffer", {"token_policies": ["coffer"], "secret_id_num_uses": 0})
    role_id = bao.call("GET", "auth/approle/role/coffer/role-id")["data"]["role_id"]
    secret_id = bao.call("POST", "auth/approle/role/coffer/secret-id")["data"]["secret_id"]
    private_file(tmp_path / "vault.secret-id", secret_id)
    private_file(tmp_path / "cloud.credentials", 'access_key = "moto"\nsecret_key = "moto-secret"\n')
    arn = moto.client().create_key()["KeyMetadata"]["Arn"]
    (file,) = [block for block in blocks_of("key-providers.md", "toml") if "[vault]" in block]
    file = file.split("[hsm]")[0]
    for shown, meant in {
            "https://vault.example:8200": bao.url, "9c6f9d1a-...": role_id, "/etc/coffer": str(tmp_path),
            "https://kms.eu-west-1.amazonaws.com": moto.url, "eu-west-1": "us-east-1"}.items():
        assert shown in file
        file = file.replace(shown, meant)
    lines = [line for line in file.splitlines() if not line.startswith(("namespace", "ca_file"))]
    lines = [f'key_arn = "{arn}"' if line.startswith("key_arn") else line for line in lines]
    (tmp_path / "providers.toml").write_text("\n".join(lines))

    names = {"--key-providers": "COFFER_KEY_PROVIDERS", "--root-key": "COFFER_ROOT_KEY", "--key-stores": "COFFER_KEY_STORES"}
    for command in serving:
        words = command.replace("/etc/coffer", str(tmp_path)).split()[2:]
        server.environment |= {names[flag]: value for flag, value in zip(words[::2], words[1::2])}
    server.start()
    assert not server.key_file.exists() and "with the provider vault" in server.log()
    assert server.run("key", "rotate-root").returncode == 0, "the policy is enough for a rotation"
    kms, s3 = client_of("kms", server), client_of("s3", server, tls=True)
    s3.create_bucket(Bucket="photos")
    (store,) = re.findall(r'key_store="?(cks-[0-9a-f]+)', server.log())
    key = kms.create_key(CustomKeyStoreId=store, Origin="EXTERNAL_KEY_STORE")["KeyMetadata"]
    s3.put_object(Bucket="photos", Key="cat.jpg", Body=b"cat", ServerSideEncryption="aws:kms", SSEKMSKeyId=key["Arn"])
    server.restart()
    assert s3.get_object(Bucket="photos", Key="cat.jpg")["Body"].read() == b"cat"
    server.close()
    moto.stop()
    bao.stop()


def test_backup(make_server, tmp_path):
    """The data directory is gone before it is restored; the key files are there."""
    server = make_server().start()
    reader = operator(server, tmp_path / "home")
    (tmp_path / "mnt").mkdir()
    client = Client(server)
    client.create_bucket("photos")
    client.put("photos", "cat.jpg", b"cat" * 50_000)
    client.put("photos", "small", b"kitten")
    lost, new, printed = server.data, tmp_path / "new", {}
    for command in commands_of("backup.md"):
        for shown, meant in {"/mnt/": f"{tmp_path}/mnt/", "DATA": str(lost), "NEW": str(new)}.items():
            command = command.replace(shown, meant)
        if command.startswith("coffer restore"):
            server.stop()
            shutil.rmtree(lost)
        if command.startswith("coffer serve"):
            server.data = new
            server.start()
            continue
        printed[" ".join(command.split()[:4])] = reader.run(command)
    assert "missing" in printed["coffer backup accept --check"]
    assert client.get("photos", "cat.jpg").body == b"cat" * 50_000 and client.get("photos", "small").body == b"kitten"
    assert reader.attempt(f"coffer backup accept --data {new}").returncode != 0, "it was accepted"
    server.close()
