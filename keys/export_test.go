package keys

import "context"

// SealsPerRun is how many seals are counted at once.
const SealsPerRun = sealsPerRun

// BeginRun is what one in SealsPerRun seals does.
func (k *DataKey) BeginRun() { k.seals.begin() }

// SetSeals makes a data key one that has made so many seals.
func (k *Keyring) SetSeals(ctx context.Context, tenant, namespace string, number uint32, seals uint64) error {
	platform, own, err := k.parentsOf(ctx, tenant, func(string) bool { return true })
	if err != nil {
		return err
	}
	defer platform.release()
	defer own.release()
	_, err = k.file.update(ctx, func(c *change) error {
		e, err := c.edit(tenant, platform, own)
		if err != nil {
			return err
		}
		row := e.numbered(namespace, number)
		row.rec.Seals = seals
		e.touched[row.KeyRow] = true
		return e.save()
	})
	return err
}
