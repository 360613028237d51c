"""The object store that the settings name, and the routes that it needs of us."""

from typing import cast

from secureconnect.app.data_dir import DataDirectory
from secureconnect.app.exchange import breaker_rules
from secureconnect.app.settings import Settings
from secureconnect.edge.http.objects import object_routes
from secureconnect.edge.module import Module
from secureconnect.infra.blobs.base import Blobs
from secureconnect.infra.blobs.local import LocalBlobs
from secureconnect.infra.blobs.local_urls import UrlSigner
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import Clock

__all__ = ["objects_module", "open_blobs"]


def open_blobs(
    settings: Settings,
    data_dir: DataDirectory,
    clock: Clock,
    metrics: Metrics,
    *,
    alone: bool,
    patient: bool = True,
) -> Blobs:
    """The store; S3 is not asked before it is used, so that a late one delays no start. `alone`: no other
    process has the data directory. `patient`: one that does not answer is asked again and again."""
    given = settings.object_store
    if given.backend == "local":
        urls = UrlSigner(data_dir.master_key, settings.server.public_url, clock)
        return LocalBlobs(data_dir.objects, urls, metrics, alone=alone)

    from secureconnect.infra.blobs.s3 import S3Blobs
    from secureconnect.infra.blobs.s3_bucket import S3Bucket
    from secureconnect.infra.resilience.breaker import Breaker

    endpoint = given.endpoint or f"https://s3.{given.region}.amazonaws.com"
    bucket = S3Bucket(
        endpoint=endpoint,
        public_endpoint=given.public_endpoint or endpoint,
        region=given.region,
        bucket=given.bucket,
        access_key=given.access_key,
        secret_key=given.secret_key,
        path_style=given.path_style,
        timeout=given.timeout,
    )
    if patient:
        return S3Blobs(bucket, clock, metrics)
    breaker = Breaker("object_store", breaker_rules(settings), metrics, clock)
    return S3Blobs(bucket, clock, metrics, breaker=breaker, limit=settings.resilience.bulkhead)


def objects_module(settings: Settings, blobs: Blobs) -> Module:
    """The bytes of objects, where it is us who serve them."""
    local = settings.object_store.backend == "local"
    return Module(
        name="objects", role="storage", streams=object_routes(cast("LocalBlobs", blobs)) if local else []
    )
