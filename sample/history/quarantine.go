package history

const quarantineFolder = Folder + "/quarantine"
