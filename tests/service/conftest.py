"""A shelf of stand-ins, and a server of our own connection on a free port, in a thread."""

import socket
import threading
import time
from dataclasses import replace

import pytest
import standin


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return standin.shelf(tmp_path_factory.mktemp("shelf") / "served")


@pytest.fixture(scope="session")
def client(folder):
    from fastapi.testclient import TestClient

    from litecast.service.app import create

    patient = replace(standin.SMALL, seconds=60.0)  # clocks are for test_sockets: a busy machine is slow
    with TestClient(create(folder, patient), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="session")
def server(folder):
    """One that is there for all tests: each must find it well."""
    import uvicorn

    from litecast.service.__main__ import config

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(config(folder, limits=standin.SMALL))
    server.config.log_level = "critical"
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    server.port = listening.getsockname()[1]
    yield server
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="session")
def port(server):
    return server.port
