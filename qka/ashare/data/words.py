"""Groups of kinds and the sources that rows name again and again."""

from qka.model.codes import Kind
from qka.model.dated import Confidence

V, D = Confidence.VERIFIED, Confidence.MEASURED
S, M = Confidence.SINGLE, Confidence.UNVERIFIED

MAIN, STAR, CHINEXT, BSE = (Kind.MAIN,), (Kind.STAR,), (Kind.CHINEXT,), (Kind.BSE,)
SHARES = (Kind.MAIN, Kind.STAR, Kind.CHINEXT, Kind.BSE)
ETFS = (
    Kind.ETF, Kind.ETF_20, Kind.ETF_CROSS_BORDER, Kind.ETF_GOLD, Kind.ETF_COMMODITY, Kind.ETF_BOND,
    Kind.ETF_MONEY,
)  # fmt: skip
LOFS = (Kind.LOF, Kind.LOF_CROSS_BORDER, Kind.REIT)
FUNDS = (*ETFS, *LOFS)
BONDS, REPO, B_SHARES = (Kind.CONVERTIBLE,), (Kind.REPO,), (Kind.B_SHARE,)

SSE_2026 = "SSE Trading Rules (2026), 上证发〔2026〕41号"
SZSE_2026 = "SZSE Trading Rules (2026), 深证上〔2026〕551号"
BSE_2026 = "BSE Trading Rules, 北证公告〔2026〕17号"
BOTH_2026 = "SSE and SZSE Trading Rules (2026)"
STAR_RULES = "STAR special rules"
CHINEXT_RULES = "ChiNext special rules"
BOND_RULES = "SSE 上证发〔2022〕117号, SZSE 深证上〔2022〕719号"
KNOWN = "market knowledge"
