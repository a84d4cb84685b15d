"""The control socket: who may speak to it, and what is done with what is no command."""

import json
import os
import shutil
import socket
import stat
import subprocess
import threading

import pytest



@pytest.fixture(scope="module")
def server(make_server):
    return make_server().start()


def path_of(server):
    return server.data / "control.sock"


def speak(server, request, timeout_s=20):
    """Sends bytes, and returns everything that comes back until the server closes."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout_s)
        connection.connect(str(path_of(server)))
        try:
            connection.sendall(request)
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
        except (BrokenPipeError, ConnectionResetError):
            return b""
        return answer


def posted(body, path="/v1", length=None):
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n"
    return head.encode() + body


def works(server):
    done = server.run("key", "show")
    return done.returncode == 0 and "local keyring" in done.stdout


def test_only_the_owner_may_connect(server):
    mode = path_of(server).lstat()
    assert stat.S_ISSOCK(mode.st_mode) and stat.S_IMODE(mode.st_mode) == 0o600
    assert stat.S_IMODE(server.data.stat().st_mode) == 0o700


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_another_user_gets_nowhere(server):
    """Even one who may enter the folders and use the socket is told nothing."""
    program = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(b'GET /v1 HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); print(s.recv(100))"
    attempt = lambda: subprocess.run(
        ["python3", "-c", program, str(path_of(server))], user=65534, group=65534, extra_groups=[], capture_output=True, text=True, timeout=30)
    assert "PermissionError" in attempt().stderr
    opened = [server.data, *server.data.parents][:-1]
    modes = {path: path.stat().st_mode for path in (*opened, path_of(server))}
    try:
        for path in opened:
            path.chmod(modes[path] | 0o011)
        path_of(server).chmod(0o666)
        let_in = attempt()
        assert let_in.stdout.strip() in ("", "b''") and "HTTP/1.1" not in let_in.stdout, let_in
    finally:
        for path, mode in modes.items():
            path.chmod(stat.S_IMODE(mode))
    assert works(server)


@pytest.mark.parametrize("request_bytes", [
    b"\0" * 1000, b"\xff" * 70_000, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"SSH-2.0-x\r\n", posted(b""), posted(b"garbage"),
    posted(b"{}"), posted(b"[]"), posted(b"null"), posted(b'{"key-show":{"x":1}}'), posted(b'{"key-destroy":{}}'),
    posted(b'{"key-show":{}}', path="/v2"), posted(b'{"inspect":{}}'), posted(b"[" * 100_000), posted(b"x" * (2 << 20)),
    posted(b'{"inspect":{"object":"s3://a/b","version_id":7,"verify_data":true}}'),
], ids=range(16))
def test_garbage_is_answered_and_does_no_harm(server, request_bytes):
    answer = speak(server, request_bytes)
    assert b"200 OK" not in answer
    assert works(server)


def test_a_program_that_never_finishes_its_request_is_cut_off(server):
    assert b"200 OK" not in speak(server, posted(b"{", length=100), timeout_s=30)
    assert works(server)


def test_many_idle_connections_keep_nobody_out_for_long(server):
    idle = []
    for _ in range(40):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(path_of(server)))
        idle.append(connection)
    assert works(server)
    for connection in idle:
        connection.close()


def test_an_answer_ends_with_its_report(server):
    head, _, body = speak(server, posted(b'{"key-show":{}}')).partition(b"\r\n\r\n")
    assert b"application/x-ndjson" in head
    (last,) = [line for line in body.splitlines() if line.startswith(b"{")]
    assert json.loads(last)["done"]["data"]["provider"] == "local keyring"


def test_two_commands_at_once_are_both_done(server):
    before = json.loads(server.run("key", "show", "--json").stdout)["generation"]
    ends = []
    threads = [threading.Thread(target=lambda: ends.append(server.run("key", "rotate-root"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [end.returncode for end in ends] == [0] * 4, ends
    after = json.loads(server.run("key", "show", "--json").stdout)
    assert before < after["generation"] <= before + 4
    assert [each["state"] for each in after["generations"]].count("active") == 1


def test_a_killed_server_leaves_a_socket_that_the_next_start_replaces(make_server):
    server = make_server().start()
    server.kill()
    assert path_of(server).exists()
    assert works(server), "the command line opens the store itself"
    server.start()
    assert works(server)
    assert server.stop() == 0
    assert not path_of(server).exists()
    assert works(server)


def test_something_else_in_the_place_of_the_socket_is_left_alone(make_server):
    server = make_server().start()
    server.stop()
    path_of(server).write_text("precious")
    done = server.run("serve")
    assert done.returncode == 1 and "is no socket" in done.stderr
    assert path_of(server).read_text() == "precious"


def test_a_path_that_is_too_long_says_what_to_do(make_server, tmp_path):
    server = make_server()
    long = tmp_path / ("d" * 100) / "control.sock"
    long.parent.mkdir()
    done = server.run("serve", control_socket=long)
    assert done.returncode == 1 and "--control-socket" in done.stderr and "107" in done.stderr
    server.environment["COFFER_CONTROL_SOCKET"] = str(server.directory / "c.sock")
    server.start()
    assert works(server) and not path_of(server).exists()
    del server.environment["COFFER_CONTROL_SOCKET"]
    done = server.run("key", "show")
    assert done.returncode == 1 and "nobody listens at the control socket" in done.stderr and f"pid {server.process.pid}" in done.stderr
    server.close()


def test_a_folder_that_others_may_write_to_is_no_place_for_a_socket(make_server, tmp_path):
    server = make_server()
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    done = server.run("serve", control_socket=folder / "c.sock")
    assert done.returncode == 1 and "chmod 700" in done.stderr


def test_a_command_on_nothing_makes_nothing(make_server):
    server = make_server()
    for command in (("key", "show"), ("key", "rotate-root"), ("job", "list"), ("inspect", "s3://a/b")):
        done = server.run(*command)
        assert done.returncode == 1 and "holds no Coffer store" in done.stderr
    assert not server.data.exists() and not server.key_file.exists()
    shutil.rmtree(server.directory)
