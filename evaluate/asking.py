"""Endpoints that are asked, each with a store of its own: a run that was killed goes on where it was."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from data_tools.synthesize.budget import Budget
from data_tools.synthesize.client import Client
from data_tools.synthesize.store import Store
from templates import InputError


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible API and a model of it, given by `flag`. `identity` tells apart models of one name."""

    base_url: str
    model: str
    api_key: str | None = None
    identity: Mapping[str, Any] | None = None
    flag: str = "MODEL_OR_URL"


def find_endpoint(base_url: str, *, model: str | None, flag: str, key_names: tuple[str, ...]) -> Endpoint:
    """The endpoint at an address, and its first model where none is named. Raises InputError where nothing answers.

    The key is the first of these environment variables that is set.
    """
    url = base_url.rstrip("/") + "/"
    key = next((os.environ[name] for name in key_names if os.environ.get(name)), None)
    if model is None:
        model = _first_model(url, key, flag)
    return Endpoint(url, model, key, {"base_url": url, "model": model}, flag)


def _first_model(url: str, key: str | None, flag: str) -> str:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        response = httpx.get(f"{url}models", headers=headers, timeout=30)
        response.raise_for_status()
        return str(response.json()["data"][0]["id"])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, IndexError, TypeError) as error:
        raise InputError(
            f"{flag} {url}: no list of models ({error}); give the address of an OpenAI-compatible API, such as "
            "http://127.0.0.1:8000/v1"
        ) from error


@asynccontextmanager
async def open_client(endpoint: Endpoint, store_path: Path, *, concurrency: int) -> AsyncIterator[Client]:
    """A client whose requests and replies are kept in a file; those that the file holds are not sent.

    Raises InputError where the file holds the replies of another model.
    """
    store = Store(store_path)
    try:
        settled = store.settle("identity", endpoint.identity)
        if settled != endpoint.identity:
            raise InputError(
                f"{store_path}: holds the replies of another model ({_shown(settled)}, not "
                f"{_shown(endpoint.identity)}); give another --out, or remove that file"
            )
        async with Client(
            base_url=endpoint.base_url,
            model=endpoint.model,
            store=store,
            budget=Budget(None, None, requests=0, prompt=0, completion=0),
            concurrency=concurrency,
            api_key=endpoint.api_key,
            flag=endpoint.flag,
        ) as client:
            yield client
    finally:
        store.close()


def _shown(identity: Mapping[str, Any] | None) -> str:
    return ", ".join(str(value) for name, value in (identity or {}).items() if name != "weights")
