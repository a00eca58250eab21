"""A script without a strategy: ask an account, send an order, take it back.

    python examples/qmt_script.py

It rehearses against a made-up terminal. For a real one leave the server away (it runs beside QMT,
on Windows: `qka server --account ...`) and put its address and token into `QMTClient`.
"""

import asyncio
import tempfile
from threading import Event, Thread

from qka.brokers.client import QMTClient
from qka.brokers.server import QMTServer
from qka.brokers.words import FIX_PRICE, STOCK_BUY  # xtconstant's names, on any system


def trade(client: QMTClient) -> None:
    """One small order."""
    asset = client.api("query_stock_asset")
    print(f"cash {asset['可用金额']} of {asset['总资产']} CNY")

    answer = client.api(
        "order_stock",
        key="example-1",  # run twice, sent once
        stock_code="600036.SH",
        order_type=STOCK_BUY,
        order_volume=100,
        price_type=FIX_PRICE,
        price=client.api("get_full_tick", code_list=["600036.SH"])["600036.SH"]["bidPrice"][4],
    )
    print("order", answer["order_id"])
    for order in client.api("query_stock_orders"):
        print(order["证券代码"], order["委托数量"], order["委托状态"])
    print("cancel", client.api("cancel_order_stock", order_id=answer["order_id"]))


def main() -> None:
    """A server in a thread, a script that talks to it."""
    with tempfile.TemporaryDirectory() as folder:
        server = QMTServer("demo", simulate=True, port=0, data_dir=folder)
        ready, over = Event(), Event()

        async def serve() -> None:
            async with server:
                ready.set()
                await asyncio.get_running_loop().run_in_executor(None, over.wait)

        thread = Thread(target=asyncio.run, args=(serve(),))
        thread.start()
        try:
            ready.wait()
            with QMTClient(server.url, server.token) as client:
                trade(client)
        finally:
            over.set()
            thread.join()


if __name__ == "__main__":
    main()
