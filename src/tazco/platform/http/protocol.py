"""What is no HTTP at all is refused in our own words too: one envelope, a request id, the security headers."""

import socket
import uuid

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from tazco.kernel.errors import Invalid
from tazco.platform.http.edge import EXCHANGE, JSON_TYPE, SECURITY_HEADERS, Exchange
from tazco.platform.http.errors import Meta, refusal_answer, with_meta


class EnvelopeProtocol(H11Protocol):
    """uvicorn's protocol, but for what it says when a request cannot be parsed, and for streams when the process stops."""

    def shutdown(self) -> None:
        """The process stops: requests finish, but a stream would go on for minutes, so its reader is told to come back elsewhere."""
        H11Protocol.shutdown(self)
        if self.cycle is None or self.cycle.response_complete:
            return
        exchange = self.cycle.scope.get(EXCHANGE)
        if isinstance(exchange, Exchange) and exchange.streaming:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse and close; `msg` is uvicorn's and says nothing of the inside."""
        meta = Meta(str(uuid.uuid4()))
        body = with_meta(refusal_answer(Invalid(msg)).body, meta)
        headers = {**SECURITY_HEADERS, "Content-Type": JSON_TYPE, "X-Request-ID": meta.request_id, "Vary": "Origin"}
        lines = [(name.encode(), value.encode()) for name, value in headers.items()]
        lines += [(b"Content-Length", str(len(body)).encode()), (b"Connection", b"close")]
        for event in (h11.Response(status_code=400, headers=lines, reason=b"Bad Request"), h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event))
        self.transport.close()


def sending_at_once(listener: socket.socket) -> socket.socket:
    """The listening socket, whose connections send what they have.

    Head and body of an answer are two writes; the second would wait for the acknowledgement of the first, which clients delay by
    40 ms on a kept connection. asyncio switches that off only on sockets that name their protocol.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
