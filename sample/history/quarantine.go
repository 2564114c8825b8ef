package history

// QuarantineFolder holds reward records that could not be used, as lines of dataset.Reject.
const QuarantineFolder = Folder + "/quarantine"
