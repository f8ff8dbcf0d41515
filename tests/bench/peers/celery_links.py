"""Celery as its users write it: a task, one POST a job in a session that its process keeps, the link into a hash that
expires.

python3 celery_links.py                enqueues
python3 -m celery -A celery_links ...  works
Environment: REDIS_PORT, API_URL, CONDUCTOR_SECRET_KEY, JOBS
"""

import os
import threading
from datetime import datetime

import redis
import requests
from celery import Celery

app = Celery("links", broker=f"redis://127.0.0.1:{os.environ['REDIS_PORT']}/0")
app.conf.task_ignore_result = True
app.conf.worker_prefetch_multiplier = 16  # tasks are short: what its manual advises then

mine = threading.local()  # of this thread, or of this process


def clients():
    if not hasattr(mine, "http"):
        mine.http = requests.Session()
        mine.http.headers["Authorization"] = "Bearer " + os.environ["CONDUCTOR_SECRET_KEY"]
        mine.redis = redis.Redis(port=int(os.environ["REDIS_PORT"]))
    return mine.http, mine.redis


@app.task(name="links.make", autoretry_for=(requests.RequestException,), max_retries=12, retry_backoff=True)
def make(end_user_id):
    http, r = clients()
    answer = http.post(os.environ["API_URL"] + "/auth-sessions", timeout=30, json={
        "publishableKey": "pk_conductor_fake", "endUserId": end_user_id, "linkExpiryMins": 30})
    answer.raise_for_status()
    session = answer.json()
    if session["endUserId"] != end_user_id or not session["authFlowUrl"].startswith("https://connect.conductor.is/"):
        raise ValueError("not the session that was asked for")
    created, expires = (datetime.fromisoformat(session[name].replace("Z", "+00:00"))
                        for name in ("createdAt", "expiresAt"))
    key = "authlink:session:" + end_user_id
    with r.pipeline(transaction=False) as pipeline:
        pipeline.hset(key, mapping={
            "status": "ready", "endUserId": end_user_id, "sessionId": session["id"],
            "authFlowUrl": session["authFlowUrl"], "createdAt": session["createdAt"], "expiresAt": session["expiresAt"]})
        pipeline.expire(key, int((expires - created).total_seconds()))
        pipeline.execute()


if __name__ == "__main__":
    with app.producer_pool.acquire(block=True) as producer:
        for number in range(int(os.environ["JOBS"])):
            make.apply_async((f"end_usr_{number:07d}",), producer=producer)
