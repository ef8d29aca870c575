package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMockZohoAlone(t *testing.T) {
	data := t.TempDir()
	p := start(t, nil, "mockzoho", "--addr", "127.0.0.1:0", "--data", data)
	address := strings.TrimPrefix(p.line(), "Simulated Zoho: ")
	if _, body := visitor(t).get(address + "/oauth/serverinfo"); !strings.Contains(body, `"us":"`+address+`"`) {
		t.Errorf("answers %s", body)
	}
	p.end()
	if _, err := os.Stat(filepath.Join(data, "zoho.db")); err != nil {
		t.Error(err)
	}
}
