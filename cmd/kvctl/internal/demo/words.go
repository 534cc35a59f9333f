package demo

// A company is a tenant of the made-up data.
type company struct {
	id, name, project string
	issues, pages     int
	people            []string
}

var companies = []company{
	{"acme", "Acme Rockets", "ROCK", 160, 12, []string{"Wilma Okafor", "Ingrid Solberg", "Tomás Rivas", "Mei Tanaka", "Jonas Weber"}},
	{"globex", "Globex Energy", "GRID", 96, 8, []string{"Priya Raman", "Luc Moreau", "Hana Novak", "Samuel Adeyemi"}},
	{"initech", "Initech Payroll", "PAY", 48, 4, []string{"Peter Lindqvist", "Aisha Khan", "Bill Tran"}},
}

var components = []string{"login page", "search index", "billing export", "mobile app", "import job", "notification mailer", "permission check", "report builder"}

var titles = []string{
	"%s times out under load", "%s shows an outdated name", "Make the %s faster on large projects",
	"%s rejects umlauts", "Document how the %s is configured", "%s fails after the upgrade", "Remove the old %s",
}

var types = []string{"Bug", "Task", "Story", "Improvement"}

var statuses = []string{"Open", "In Progress", "In Review", "Done"}

var sentences = []string{
	"The %s worked until last week's release.",
	"I can reproduce this with the %s on a fresh account.",
	"Steps: open the %s, change the filter, save, reload.",
	"Our customer asked about the %s again this morning.",
	"The log of the %s says nothing unusual at that time.",
	"After clearing the cache the %s is fine for an hour.",
	"Could somebody who knows the %s have a look?",
	"The fix for the %s is in review; it needs one more test.",
	"We agreed to leave the %s as it is until the migration is over.",
	"The contract number and the price list are in the %s, please keep them inside.",
	"Numbers from the %s: 340 ms before, 45 ms after.",
	"This is a duplicate of what we saw in the %s in spring.",
}

var pages = []string{
	"Getting started", "On-call handbook", "Release checklist", "Architecture overview", "Data retention", "Incident review of March",
	"Onboarding", "Coding conventions", "Backup and restore", "Glossary", "Security contacts", "Roadmap",
}

var levels = []string{"INFO", "INFO", "INFO", "WARN", "ERROR"}

var events = []string{"request finished in %d ms", "retrying, attempt %d", "cache holds %d entries", "queue length %d", "connection %d closed by peer"}
