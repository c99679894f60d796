"""A stand-in for both WhatsApp providers: their HTTP contract over a real socket, phones in memory, faults on demand."""
