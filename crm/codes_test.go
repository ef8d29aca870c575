package crm

import (
	"strings"
	"testing"
)

// What a page says and what is done agree, for every code and in each state: who waits is
// tried again, and who needs attention isn't, unless somebody says so.
func TestSentencesSayWhatIsDone(t *testing.T) {
	for code, c := range codes {
		e := c.Explanation
		waits := c.Record.Class != Recorded || c.Call.Class != Recorded
		switch {
		case promises(e) && !waits:
			t.Errorf("%s promises a try that never comes: %q", code, e.Mend)
		case e.Who == Nobody && (c.Record.Class == Recorded || c.Record.Class == Connection):
			t.Errorf("%s leaves to itself what %v says somebody has to do", code, c.Record)
		case e.Mend == reconnect && c.Call.Class != Connection:
			t.Errorf("%s asks to connect again where that doesn't stop anything: %v", code, c.Call)
		case c.Record.Class == Passing && c.Record.Tries < 1:
			t.Errorf("%s has no end", code)
		case c.Call.Class == Passing || c.Call.Tries != 0:
			t.Errorf("%s: a whole call can't pass for one: %v", code, c.Call)
		case c.Wraps && c.Record.Class != Recorded:
			t.Errorf("%s wraps, and is not final by itself", code)
		}
	}
}

// Who needs attention is never told that nothing is to be done.
func TestWhoNeedsAttentionIsToldWhatToDo(t *testing.T) {
	all := []string{"NEVER_HEARD_OF_IT"}
	for code := range codes {
		all = append(all, code)
	}
	for code := range explanations {
		all = append(all, code)
	}
	for _, code := range all {
		e := GaveUp(code)
		for _, vain := range []string{"by ourselves", "Nothing to do", "We go on"} {
			if strings.Contains(e.What+e.Mend, vain) && code != "API_SPARED" && code != "SETTLING" { // never an end
				t.Errorf("%s: %+v", code, e)
			}
		}
		if once := AskedOnce(code); promises(once) || once.Who == Nobody || once.What != Sentence(code).What {
			t.Errorf("%s, asked once: %+v", code, once)
		}
		if e.Who == Nobody || !strings.HasSuffix(e.What, ".") || !strings.HasSuffix(e.Mend, ".") || strings.Contains(e.Mend, "  ") {
			t.Errorf("%s: %+v", code, e)
		}
		if s := Sentence(code); !promises(s) && isFinal(code) && e != s {
			t.Errorf("%s is final, and told as %+v", code, e)
		}
	}
	if e := GaveUp("unable_to_lock_row"); e.Who != Admin || !strings.Contains(e.Mend, "Then retry.") || !strings.Contains(e.What, "many times") {
		t.Errorf("%+v", e)
	}
}

// isFinal reports whether a code is final for a record.
func isFinal(code string) bool {
	c, _ := KnownCode(code)
	return c.Record.Class == Recorded
}
