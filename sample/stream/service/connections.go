package service

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Connections that nobody uses are closed after idleAfter; gRPC's clients open them again by
// themselves. Those that do not even begin to talk are closed after handshakeWithin.
const (
	idleAfter       = 10 * time.Minute
	handshakeWithin = 10 * time.Second
)

// A cappedListener closes connections over a number at once. Left waiting instead, their
// clients would not know why nothing comes.
type cappedListener struct {
	net.Listener
	most    int64
	open    atomic.Int64
	refused *atomic.Int64
}

func (l *cappedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.most {
			return &cappedConn{Conn: c, listener: l}, nil
		}
		l.open.Add(-1)
		l.refused.Add(1)
		c.Close()
	}
}

// A cappedConn gives its place back when it is closed.
type cappedConn struct {
	net.Conn
	listener *cappedListener
	once     sync.Once
}

func (c *cappedConn) Close() error {
	c.once.Do(func() { c.listener.open.Add(-1) })
	return c.Conn.Close()
}
