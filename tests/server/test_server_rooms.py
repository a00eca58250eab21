"""The small rooms: limits, the audit, the store, tasks."""

import asyncio
import json
import sqlite3

import pytest
from qmt import eventually

from qka.errors import ConfigError
from qka.secrets import shortened
from qka.server.audit import Audit, Call, verify
from qka.server.limits import Addresses, Bucket, is_loopback
from qka.server.store import Store
from qka.server.tasks import begun
from qka.web import Lockout

# ------------------------------------------------------------ limits


class Time:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_a_bucket_lets_a_burst_through_and_then_so_many_a_second():
    bucket = Bucket(2.0, burst=3)
    assert [bucket.take(100.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert bucket.take(100.0) == pytest.approx(0.5, abs=1e-5)
    assert bucket.take(100.5) == 0.0
    assert bucket.take(100.5) > 0
    # no more than a burst is saved up
    assert [bucket.take(1100.0) > 0 for _ in range(4)] == [False, False, False, True]


def test_without_a_rate_everything_passes():
    bucket = Bucket(None)
    assert not any(bucket.take(100.0) for _ in range(10_000))


def test_a_lock_out_ends_by_itself():
    time = Time()
    lockout = Lockout(3, window=60, hold=30, now=time)
    assert [lockout.failed("a") for _ in range(3)] == [False, False, True]
    assert lockout.remaining("a") == 30
    assert lockout.remaining("b") == 0
    time.now += 30
    assert lockout.remaining("a") == 0
    assert not lockout.failed("a")


def test_failures_far_apart_lock_nobody_out():
    time = Time()
    lockout = Lockout(3, window=60, hold=30, now=time)
    for _ in range(20):
        assert not lockout.failed("a")
        time.now += 31


def test_many_addresses_cost_bounded_memory():
    lockout = Lockout(2, window=60, hold=30, now=Time())
    for number in range(20_000):
        lockout.failed(f"10.0.{number // 256}.{number % 256}")
        lockout.failed(f"10.1.{number // 256}.{number % 256}")
        lockout.failed(f"10.1.{number // 256}.{number % 256}")
    assert len(lockout._failed) <= 4096
    assert len(lockout._locked) <= 4096


@pytest.mark.parametrize(
    ("allow", "address", "allowed"),
    [
        ([], "8.8.8.8", True),
        (["192.168.1.0/24"], "192.168.1.77", True),
        (["192.168.1.0/24"], "192.168.2.1", False),
        (["192.168.1.20"], "192.168.1.20", True),
        (["192.168.1.20"], "192.168.1.21", False),
        (["192.168.1.7/24"], "192.168.1.77", True),
        (["10.0.0.0/8"], "::ffff:10.1.2.3", True),
        (["fe80::/10"], "fe80::1%eth0", True),
        (["::1", "127.0.0.1"], "::1", True),
        (["10.0.0.0/8"], "-", False),
        (["10.0.0.0/8"], "", False),
    ],
)
def test_addresses(allow, address, allowed):
    assert Addresses(allow).allowed(address) is allowed


def test_what_is_no_network_is_refused():
    with pytest.raises(ConfigError, match="office"):
        Addresses(["office"])


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("", False),
     ("192.168.1.2", False), ("my-host", False)],
)  # fmt: skip
def test_which_hosts_are_this_machine_only(host, loopback):
    assert is_loopback(host) is loopback


# ------------------------------------------------------------ audit


def a_call(**changes):
    fields = {"at": 1_767_578_400_123_000_000, "who": "me", "ip": "::1", "via": "ws", "what": "x"}
    return Call(**{**fields, "outcome": "done", **changes})


async def test_audit_lines_are_whole_dated_and_chained(tmp_path):
    audit = Audit(tmp_path, "8800123456")
    audit.open()
    for number in range(5):
        audit.note(a_call(key=f"k{number}"))
    audit.note(a_call(at=1_767_578_400_000_000_000 + 86_400 * 10**9))  # the next day
    await audit.close()
    first, second = sorted(tmp_path.glob("audit-*.jsonl"))
    assert (first.name, second.name) == ("audit-20260105.jsonl", "audit-20260106.jsonl")
    lines = [json.loads(line) for line in first.read_text().splitlines()]
    assert [line["key"] for line in lines] == [f"k{number}" for number in range(5)]
    assert lines[0]["time"] == "2026-01-05 10:00:00.123"
    assert (verify(first), verify(second)) == (5, 1)


async def test_a_changed_or_missing_line_shows(tmp_path):
    audit = Audit(tmp_path, "8800123456")
    audit.open()
    for number in range(5):
        audit.note(a_call(order_id=number + 1))
    await audit.close()
    file = next(tmp_path.glob("audit-*.jsonl"))
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines).replace(b'"order_id":3', b'"order_id":7'))
    with pytest.raises(ValueError, match=":3:"):
        verify(file)
    file.write_bytes(b"".join(lines[:1] + lines[2:]))
    with pytest.raises(ValueError, match=":2:"):
        verify(file)


async def test_a_restart_goes_on_with_the_chain(tmp_path):
    for _ in range(3):
        audit = Audit(tmp_path, "8800123456")
        audit.open()
        audit.note(a_call())
        await audit.close()
    assert verify(next(tmp_path.glob("audit-*.jsonl"))) == 3


async def test_a_torn_line_spoils_no_later_one(tmp_path):
    audit = Audit(tmp_path, "8800123456")
    audit.open()
    audit.note(a_call())
    await audit.close()
    file = next(tmp_path.glob("audit-*.jsonl"))
    with file.open("ab") as out:
        out.write(b'{"time":"half')
    audit = Audit(tmp_path, "8800123456")
    audit.open()
    audit.note(a_call(key="after"))
    await audit.close()
    assert json.loads(file.read_text().splitlines()[2])["key"] == "after"
    with pytest.raises(ValueError, match=":2:"):
        verify(file)


async def test_a_disk_that_takes_no_lines_is_noticed_and_nothing_is_lost(tmp_path):
    audit = Audit(tmp_path / "audit", "8800123456")
    (tmp_path / "audit").write_text("a file where a folder should be")
    audit.note(a_call(key="a"))
    await eventually(lambda: audit.failing)
    (tmp_path / "audit").unlink()
    (tmp_path / "audit").mkdir()
    audit.note(a_call(key="b"))
    await eventually(lambda: not audit.failing)
    await audit.close()
    lines = next((tmp_path / "audit").glob("*.jsonl")).read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines] == ["a", "b"]


@pytest.mark.parametrize(
    ("account", "shown"), [("8800123456", "88***56"), ("demo", "***"), ("", "***")]
)
def test_an_account_is_shortened(account, shown):
    assert shortened(account) == shown


# ------------------------------------------------------------ store


async def test_what_is_asked_together_is_committed_together(tmp_path):
    store = Store(tmp_path / "a.db", "demo")
    await store.open()
    started = asyncio.Event()
    loop = asyncio.get_running_loop()
    import threading

    gate = threading.Event()

    def wait(connection):
        loop.call_soon_threadsafe(started.set)
        gate.wait(10)

    store.post(wait)
    await started.wait()
    commits = store.commits
    work = [asyncio.create_task(store.do(lambda c, n=n: n)) for n in range(100)]
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*work) == list(range(100))
    assert store.commits - commits == 2
    await store.close()


async def test_what_nobody_waits_for_goes_with_what_comes_next_and_before_it(tmp_path):
    store = Store(tmp_path / "a.db", "demo")
    await store.open()
    await store.do(lambda c: None)
    commits = store.commits
    put = "INSERT INTO facts VALUES (?, 'x')"
    store.post(lambda c: c.execute(put, ("first",)), hurry=False)
    names = await store.do(lambda c: [row[0] for row in c.execute("SELECT name FROM facts")])
    assert "first" in names
    assert store.commits == commits + 1
    store.post(lambda c: c.execute(put, ("last",)), hurry=False)
    await store.close()
    store = Store(tmp_path / "a.db", "demo")
    await store.open()
    assert "last" in await store.do(
        lambda c: [row[0] for row in c.execute("SELECT name FROM facts")]
    )
    await store.close()


async def test_what_fails_spoils_nothing_that_was_asked_with_it(tmp_path):
    store = Store(tmp_path / "a.db", "demo")
    await store.open()

    def put(value):
        return lambda c: c.execute("INSERT INTO facts VALUES (?, ?)", (f"n{value}", value))

    def fail(connection):
        connection.execute("INSERT INTO facts VALUES ('bad', 'x')")
        raise sqlite3.OperationalError("disk full")

    good = [asyncio.create_task(store.do(put(str(n)))) for n in range(5)]
    bad = asyncio.create_task(store.do(fail))
    more = asyncio.create_task(store.do(put("9")))
    with pytest.raises(OSError, match="disk full"):
        await bad
    await asyncio.gather(*good, more)
    names = await store.do(lambda c: [row[0] for row in c.execute("SELECT name FROM facts")])
    assert {"n0", "n4", "n9"} <= set(names)
    assert "bad" not in names
    assert not store.failing
    await store.close()


async def test_it_syncs_every_commit(tmp_path):
    store = Store(tmp_path / "a.db", "demo")
    await store.open()
    modes = await store.do(
        lambda c: [c.execute(f"PRAGMA {p}").fetchone()[0] for p in ("journal_mode", "synchronous")]
    )
    assert modes == ["wal", 2]
    await store.close()


async def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "a.db").write_text("these are not the rows you are looking for" * 100)
    with pytest.raises(ConfigError, match="can't be opened"):
        await Store(tmp_path / "a.db", "demo").open()


# ------------------------------------------------------------ tasks


async def test_work_that_waits_for_nothing_is_done_at_once():
    done = []

    async def work():
        done.append(1)

    assert begun(work()) is None
    assert done == [1]


async def test_work_that_waits_goes_on_when_the_rest_is_awaited():
    told = asyncio.get_running_loop().create_future()
    heard = []

    async def work():
        heard.append(await told)
        await asyncio.sleep(0)
        heard.append("end")

    rest = begun(work())
    told.set_result("go")
    await rest
    assert heard == ["go", "end"]


async def test_a_cancel_reaches_work_that_was_begun():
    heard = []

    async def work():
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            heard.append("cancelled")
            raise

    async def begin():
        await begun(work())

    task = asyncio.create_task(begin())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    assert task.cancelled()
    assert heard == ["cancelled"]


async def test_what_begun_work_raises_is_raised():
    async def work(waits):
        if waits:
            await asyncio.sleep(0)
        raise LookupError("nothing there")

    with pytest.raises(LookupError):
        begun(work(waits=False))
    with pytest.raises(LookupError):
        await begun(work(waits=True))
