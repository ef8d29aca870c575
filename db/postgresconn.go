package db

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"net"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// PostgreSQL takes no text that has a NUL in it or isn't UTF-8, and what CRMs, mail servers
// and browsers say may. So every text goes there with the replacement character in such a
// place, whatever statement it is for.

// storable is a text as PostgreSQL takes it.
func storable(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// storableValue is an argument of a statement, or a value of a row, as PostgreSQL takes it.
func storableValue(v any) any {
	switch v := v.(type) {
	case nil, int, int64, bool, time.Time:
		return v
	case string:
		return storable(v)
	case []string:
		if slices.ContainsFunc(v, func(s string) bool { return s != storable(s) }) {
			v = slices.Clone(v)
			for i := range v {
				v[i] = storable(v[i])
			}
		}
		return v
	case driver.Valuer:
		return v // what we have of them is JSON, or a text that was stored
	}
	if r := reflect.ValueOf(v); r.Kind() == reflect.String {
		return storable(r.String())
	}
	return v
}

// openPostgres opens a pool whose connections are set by a statement first.
func openPostgres(c *pgx.ConnConfig, set string) *sql.DB {
	return sql.OpenDB(textConnector{stdlib.GetConnector(*c, setting(set))})
}

// setting runs statements on each new connection.
func setting(statements string) stdlib.OptionOpenDB {
	return stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.PgConn().Exec(ctx, statements).ReadAll()
		return err
	})
}

type textConnector struct{ driver.Connector }

// Connect opens a connection.
func (c textConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return textConn{conn.(*stdlib.Conn)}, nil
}

// textConn is a connection whose arguments are storable.
type textConn struct{ *stdlib.Conn }

// CheckNamedValue makes an argument one that PostgreSQL takes.
func (c textConn) CheckNamedValue(v *driver.NamedValue) error {
	v.Value = storableValue(v.Value)
	return c.Conn.CheckNamedValue(v)
}

// How long a server may be silent: a host that vanishes, or whose address another takes
// over, says nothing, and no statement is to wait for it until the system gives up.
const (
	silentFor  = 15 * time.Second
	askedEvery = 5 * time.Second
	askedTimes = 3
)

// dialer connects to a server.
func dialer() *net.Dialer {
	return &net.Dialer{Control: giveUpSoon, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silentFor, Interval: askedEvery, Count: askedTimes}}
}
