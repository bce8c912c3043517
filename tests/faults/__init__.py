"""Faults inflicted on the whole platform, one after the other: ``python -m tests.faults`` (``make faults``).

The local stack runs in a folder of its own: the simulator's generated market, twelve symbols polled live. Before each
fault a backfill of six other symbols is started (``load``), so that polling, publishing, detection and landing are in
full flight when a component is killed, frozen or restarted, or when a process dies at a fail point (``matrix``,
``infliction``). Then the clock runs until the platform has caught up (``recovery``), and everything that it made is
compared with the truth (``truth``):

* bars: what the simulator says when it is asked anew;
* metrics and alerts: what the same log gives when it is detected by one process that nothing happens to (``shadow``),
  and a replay of the log from files (``include.surveillance.studies.agreement``);
* rows of the warehouse and of the application's database: what lies on the topics.

Every message and row counts: what should be there and is not is *lost*, what is there more often than it should be is
*doubled*. A row of the matrix passes when nothing is lost, doubled or otherwise wrong, and the platform has caught up
within two minutes.

Not part of the load: ``build_marts`` (it only reads what has been landed), ``build_baselines`` and
``maintain_platform`` (once a day).
"""
