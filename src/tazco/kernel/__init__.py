"""The words everyone speaks: money, ids, clock, record, errors, events. No I/O, standard library only."""
