package codec

import "fmt"

// Backups is the list of the store's registered backups; it is the body of a Signed.
type Backups struct {
	_        struct{} `cbor:",toarray"`
	Revision uint64   // of the keyring, at which the list changed
	List     []Backup // in the order in which they began
}

// A BackupID is drawn at random for each backup.
type BackupID [16]byte

// A Backup may hold records under every key that was there when it was made.
type Backup struct {
	_     struct{} `cbor:",toarray"`
	ID    BackupID
	State BackupState
	Began uint64 // Unix seconds
	// Highest is the keyring's highest number after the records were copied: it has no record under
	// a higher one. 0 while it is pending.
	Highest uint32
	Place   string // where it was written to, for people
}

// A BackupState is where a backup is in its life. On disk; must not change.
type BackupState uint8

const (
	BackupPending  BackupState = 1 // being made, or cut short
	BackupComplete BackupState = 2
)

func (s BackupState) String() string {
	switch s {
	case BackupPending:
		return "pending"
	case BackupComplete:
		return "complete"
	}
	return fmt.Sprintf("state %d", uint8(s))
}
