package mockzoho

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"

	"gatepost/simulated"
)

// byHand is what somebody in the org does to a record, as POST /_control/records says.
type byHand struct {
	Do     string         `json:"do"`
	Module string         `json:"module"`
	ID     string         `json:"id"`
	Into   string         `json:"into"`   // the record that is left of a merger
	Fields map[string]any `json:"fields"` // of create and change
}

// hand does it, and returns the record that is there then.
type hand func(ctx context.Context, q simulated.Querier, in byHand, rec *record) (*record, error)

// changeRecord handles POST /_control/records.
func (s *Server) changeRecord(r *http.Request) (any, error) {
	var in byHand
	if err := simulated.Input(r, &in); err != nil {
		return nil, err
	}
	asked, err := s.core.Asked(r)
	if err != nil {
		return nil, err
	}
	asked = cmp.Or(asked, defaultOrg)
	m, err := s.moduleNamed(asked, in.Module)
	if err != nil {
		return nil, err
	}
	o, err := s.org(r.Context(), asked)
	if err != nil {
		return nil, err
	}
	do, ok := s.hands()[in.Do]
	if !ok {
		return nil, simulated.BadControl("nobody can do %q to a record", in.Do)
	}
	var left *record
	err = s.core.Tx(r.Context(), func(q simulated.Querier) error {
		rec := &record{org: o, mod: m, fields: map[string]any{}}
		if in.Do != "create" {
			if rec, err = bySeq(r.Context(), q, o, m, o.seq(in.ID)); err != nil || rec == nil {
				return errors.Join(err, simulated.BadControl("there is no record %q in %s", in.ID, m.Name))
			}
		}
		left, err = do(r.Context(), q, in, rec)
		return err
	})
	if err != nil {
		return nil, err
	}
	return map[string]string{"id": left.ID(), "module": left.mod.Name}, nil
}

// hands are what can be done to a record by hand.
func (s *Server) hands() map[string]hand {
	return map[string]hand{
		"create":  s.write,
		"change":  s.write,
		"delete":  s.take(recycled),
		"destroy": s.take(destroyed),
		"restore": s.take(""),
		"lock":    s.state(locked),
		"submit":  s.state(waiting),
		"process": s.state(blueprint),
		"release": s.state(""),
		"merge":   s.merge,
		"convert": s.convert,
	}
}

// adminOf is the id of who does something by hand.
func adminOf(o org) string { return o.id(firstUser) }

func (s *Server) store(ctx context.Context, q simulated.Querier, rec *record) (*record, error) {
	return rec, rec.save(ctx, q, s.setup.Of(rec.org.ID).KeyField)
}

func (s *Server) touch(rec *record) {
	rec.touch(s.core.Now(), s.setup.Of(rec.org.ID).SearchLagMS, adminOf(rec.org))
}

func (s *Server) write(ctx context.Context, q simulated.Querier, in byHand, rec *record) (*record, error) {
	s.touch(rec)
	for name, v := range in.Fields {
		if rec.mod.field(name) == nil {
			return nil, simulated.BadControl("there is no field %q", name)
		}
		rec.fields[name] = v
	}
	return s.store(ctx, q, rec)
}

func (s *Server) take(where string) hand {
	return func(ctx context.Context, q simulated.Querier, _ byHand, rec *record) (*record, error) {
		return rec, rec.remove(ctx, q, where, s.core.Now(), adminOf(rec.org), s.setup.Of(rec.org.ID))
	}
}

func (s *Server) state(state string) hand {
	return func(ctx context.Context, q simulated.Querier, _ byHand, rec *record) (*record, error) {
		rec.state = state
		return s.store(ctx, q, rec)
	}
}

// merge joins a record with another one, whose id is left. The other one's values win.
func (s *Server) merge(ctx context.Context, q simulated.Querier, in byHand, rec *record) (*record, error) {
	other, err := bySeq(ctx, q, rec.org, rec.mod, rec.org.seq(in.Into))
	if err != nil || other == nil || other.seq == rec.seq {
		return nil, errors.Join(err, simulated.BadControl("there is no other record %q to merge into", in.Into))
	}
	if _, err := s.take(destroyed)(ctx, q, in, rec); err != nil {
		return nil, err
	}
	s.touch(other)
	fields := maps.Clone(rec.fields)
	maps.Copy(fields, other.fields)
	other.fields = fields
	return s.store(ctx, q, other)
}

// convert turns a lead into a contact, with another id. The lead stays and can't be changed.
func (s *Server) convert(ctx context.Context, q simulated.Querier, _ byHand, rec *record) (*record, error) {
	if rec.mod.Name != leadModule || rec.state == converted {
		return nil, simulated.BadControl("only leads can be converted, and once")
	}
	m := s.setup.Of(rec.org.ID).schema.module(contactModule)
	made := &record{org: rec.org, mod: m, fields: map[string]any{}}
	s.touch(made)
	for name, v := range rec.fields {
		if m.field(name) != nil {
			made.fields[name] = v
		}
	}
	if _, err := s.store(ctx, q, made); err != nil {
		return nil, err
	}
	s.touch(rec)
	rec.state, rec.contact = converted, made.seq
	if _, err := s.store(ctx, q, rec); err != nil {
		return nil, err
	}
	return made, nil
}
