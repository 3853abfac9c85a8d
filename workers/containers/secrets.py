"""Certificates and keys of engines: looked at when a worker starts, so that a wrong one is told then."""

from __future__ import annotations

import os
import shutil
import ssl
import stat
from collections.abc import Mapping
from pathlib import Path

import docker.tls
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

from andock.errors import ConfigError
from config.credentials import read_secret
from config.sites import EngineSsh, EngineTls, SecretReference
from workers.containers.tunnels import Address, Tunnel

_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def load_tls(name: str, tls: EngineTls, base: Path, environ: Mapping[str, str]) -> docker.tls.TLSConfig:
    """Mutual TLS of an engine.

    Raises:
        ConfigError: a certificate or key is missing, unreadable, or does not fit the other.
    """
    where = f"engines.{name}.tls"
    ca, cert = (str(base / path) for path in (tls.ca, tls.cert))
    key = _path_of(tls.key, name, "self", where, base, environ)
    for path in (ca, cert, key):
        _must_read(path, where)
    try:
        ssl.create_default_context(cafile=ca)
    except ssl.SSLError as error:
        raise ConfigError(
            f"{ca} is no certificate.", where=where, fix="give the engine's CA as PEM."
        ) from error
    try:
        # a password, so that OpenSSL never asks for one at the terminal
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, password="")
    except ssl.SSLError as error:
        raise ConfigError(
            f"{cert} and its key do not fit ({error.reason or 'no PEM'}).",
            where=where,
            fix="give a client certificate and its own key, unencrypted, as PEM.",
        ) from error
    return docker.tls.TLSConfig(client_cert=(cert, key), ca_cert=ca, verify=True)


def load_ssh(name: str, url: str, ssh: EngineSsh, base: Path, environ: Mapping[str, str]) -> Tunnel:
    """The way to an engine by SSH, not opened yet.

    Raises:
        ConfigError: there is no ssh client, or key or host key is missing, unreadable or no key.
    """
    where = f"engines.{name}.ssh"
    if shutil.which("ssh") is None:
        raise ConfigError("there is no ssh client.", where=where, fix="install one (openssh-client).")
    known_hosts = str(base / ssh.known_hosts)
    key = _path_of(ssh.key, name, str(os.getpid()), where, base, environ)
    for path in (known_hosts, key):
        _must_read(path, where)
    _must_be_key(key, ssh, where)
    return Tunnel(name, Address.of(url), key=key, known_hosts=known_hosts)


def _must_be_key(path: str, ssh: EngineSsh, where: str) -> None:
    content = Path(path).read_bytes()
    load = load_ssh_private_key if b"OPENSSH" in content else load_pem_private_key
    try:
        load(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        fix = "give a private key without a passphrase, as ssh-keygen writes it."
        raise ConfigError("its key is no key that can be used.", where=where, fix=fix) from error
    if ssh.key.file is not None and Path(path).stat().st_mode & _FOR_OTHERS:
        # ssh itself would ignore it, and say so only in the log
        raise ConfigError(f"{path} can be read by others.", where=where, fix=f"chmod 600 {path}")


def _must_read(path: str, where: str) -> None:
    if not os.access(path, os.R_OK):
        raise ConfigError(f"{path} cannot be read.", where=where, fix="check path and owner.")


def _path_of(
    reference: SecretReference, name: str, reader: str, where: str, base: Path, environ: Mapping[str, str]
) -> str:
    """Where a key can be read by its path, as TLS libraries and ssh want it.

    `reader` is whose open files a key from the environment is found among: `self` for this process and those
    that it forks, or this process' number for a program that it starts.
    """
    if reference.file is not None:
        return str(base / reference.file)
    secret = read_secret(reference, of=where, base=base, environ=environ)
    return f"/proc/{reader}/fd/{_nameless_file(name, secret.get_secret_value().strip())}"


def _nameless_file(name: str, secret: str) -> int:
    """An open file in memory that holds the secret.

    A temporary file would stay behind whenever a worker is killed; this one is in no folder and ends with the
    process.
    """
    descriptor = os.memfd_create(f"andock-{name}")
    os.fchmod(descriptor, 0o600)
    os.write(descriptor, secret.encode() + b"\n")
    return descriptor
