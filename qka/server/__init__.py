"""QMTServer's parts: one account behind HTTP and a WebSocket. Floor 4.

The way of one call, the same on both transports::

    http.py / ws.py ──► service.py ──► backend.py ──► the terminal
      who is it?          may it, is it new,            MiniQMT or a simulated one
      tokens, limits      methods, outcomes, leases

and of one push::

    backend.py ──► events.py (on disk, numbered) ──► ws.py ──► every client
"""
