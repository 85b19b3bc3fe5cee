"""A shelf of stand-ins, and servers of our own connection on free ports, in threads."""

import contextlib
import socket
import threading
import time

import pytest
import standin


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return standin.shelf(tmp_path_factory.mktemp("shelf") / "served")


@pytest.fixture(scope="session")
def client(folder):
    from fastapi.testclient import TestClient

    from litecast.service.app import create

    with TestClient(create(folder, standin.PATIENT), raise_server_exceptions=False) as client:
        yield client


@contextlib.contextmanager
def serving(folder, limits):
    import uvicorn

    from litecast.service.__main__ import config

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(config(folder, limits=limits))
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
def port(folder):
    """Of one server for all tests, each of which must find it well. No clock of it rings while a test looks, however
    busy the machine is."""
    with serving(folder, standin.PATIENT) as server:
        yield server.port


@pytest.fixture(scope="session")
def hasty(folder):
    """A server whose clocks ring within a second: for what they end."""
    with serving(folder, standin.SMALL) as server:
        yield server
