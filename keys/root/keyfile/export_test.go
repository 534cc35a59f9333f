package keyfile

func init() { scryptWorkFactor = 8 }
