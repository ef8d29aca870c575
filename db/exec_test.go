package db

import (
	"testing"
	"time"
)

// How many rows a statement changed is known with it: its connection may be somebody else's
// by then, who waits for another process.
func TestRowsAreCountedWithTheStatement(t *testing.T) {
	d := open(t)
	res, err := d.exec(t.Context(), `UPDATE tenants SET name = name`)
	if err != nil {
		t.Fatal(err)
	}
	one, err := d.write.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = one.Close() }()
	counted := make(chan error, 1)
	err = one.Raw(func(any) error { // the connection is busy
		go func() {
			_, err := res.RowsAffected()
			counted <- err
		}()
		select {
		case err := <-counted:
			return err
		case <-time.After(10 * time.Second):
			t.Error("it waits for the connection, which somebody else has")
			return nil
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}
