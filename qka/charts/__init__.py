"""The chart library, as a file of the package: pages work without a network.

TradingView's Lightweight Charts 5.2.1, npm's `lightweight-charts`, its standalone build untouched;
`LICENSE` beside it (Apache 2.0). A page that shows it says so, see `NOTICE`.
"""

from pathlib import Path

SCRIPT = Path(__file__).with_name("lightweight-charts.js")  # the global `LightweightCharts`
NOTICE = "TradingView Lightweight Charts™ Copyright © TradingView, Inc. https://www.tradingview.com"
