package codec

import "fmt"

// What FORMAT.md asks of records beyond the types of their fields.

func (c *Counters) check() error { return checkOptional("MAC of an audit entry", c.AuditMAC, MACLen) }

func (s *Signed) check() error {
	if s.Version == 0 {
		return fmt.Errorf("%w: signed under version 0 of a key", ErrMalformed)
	}
	return checkLen("MAC", len(s.MAC), MACLen)
}

func (t *Tenant) check() error {
	if err := t.Control.check(); err != nil {
		return err
	}
	return t.Own.check()
}

func (p *Policy) check() error {
	for i := range p.Alone {
		if err := checkOneOf("domain", p.Alone[i].Domain, DomainTenant, DomainPlatform); err != nil {
			return err
		}
	}
	return nil
}

func (b *Backups) check() error {
	for i := range b.List {
		if err := checkOneOf("state of a backup", b.List[i].State, BackupPending, BackupComplete); err != nil {
			return err
		}
	}
	return nil
}

func (c *Control) check() error {
	if err := checkOneOf("shredded", c.Shredded, ShreddedNone, ShreddedWhole); err != nil {
		return err
	}
	return checkLen("digest", len(c.Digest), MACLen)
}

func (o *Own) check() error { return checkLen("digest", len(o.Digest), MACLen) }

func (k *TenantKey) check() error {
	if err := checkOneOf("state of a tenant key", k.State, StateActive, StateRetired); err != nil {
		return err
	}
	for i := range k.Wraps {
		if err := checkOneOf("role of a root's wrap", k.Wraps[i].Role, RoleActive, RoleOutgoing); err != nil {
			return err
		}
	}
	return checkOptional("commitment", k.Commit, MACLen)
}

func (k *DataKey) check() error {
	if err := checkOneOf("state of a data key", k.State, StateActive, StateRetired); err != nil {
		return err
	}
	if k.Parent == 0 {
		return fmt.Errorf("%w: data key under version 0 of its parent", ErrMalformed)
	}
	if err := checkOptional("commitment", k.Commit, MACLen); err != nil {
		return err
	}
	return checkOptional("wrap of a data key", k.Wrap, WrapLen)
}

func (e *AuditEntry) check() error {
	return checkOneOf("domain", e.Domain, 0, DomainPlatform)
}

func (e *JournalEntry) check() error {
	if err := checkOneOf("state of a blob", e.State, JournalPending, JournalGarbage); err != nil {
		return err
	}
	return CheckUserKey(e.Key)
}

func (m *Miss) check() error {
	return checkOneOf("class of a miss", m.Class, ClassMalformed, ClassNoDictionary)
}

// checkOneOf holds n to the assigned values, which are those from first to last.
func checkOneOf[T State | Role | Domain | JournalState | BackupState | Shredded | Class](what string, n, first, last T) error {
	if n < first || n > last {
		return fmt.Errorf("%w: %s is %d", ErrMalformed, what, uint8(n))
	}
	return nil
}

// checkOptional holds what may be there or not to one length.
func checkOptional(what string, b []byte, want int) error {
	if len(b) == 0 {
		return nil
	}
	return checkLen(what, len(b), want)
}

func (s *Sweep) check() error {
	for i, number := range s.Active {
		if number == 0 || i > 0 && s.Active[i-1] >= number {
			return fmt.Errorf("%w: active keys of a sweep are not in ascending order", ErrMalformed)
		}
	}
	if len(s.Cursor) > MaxUserKeyLen {
		return fmt.Errorf("%w: cursor of a sweep has %d bytes, more than a key", ErrMalformed, len(s.Cursor))
	}
	for i := range s.Counts {
		if i > 0 && s.Counts[i-1].Number >= s.Counts[i].Number {
			return fmt.Errorf("%w: counts of a sweep are not in ascending order", ErrMalformed)
		}
	}
	return nil
}
