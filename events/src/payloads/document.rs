//! `document.…`

use super::Texts;

payload! {
    /// A document has been taken in, and can be asked about from now on.
    DocumentIngested = "document.ingested" by document_ingested {
        /// The document's id in the application.
        document_id: String,
        /// The document's title, as people see it.
        document_title: String,
        /// What kind of document it is, such as `pdf` or `txt`.
        document_type: String,
        ;
        /// The document's size in bytes.
        size_bytes: u64,
        /// Where the document came from, as a URI.
        source_uri: String,
    }
}

payload! {
    /// A document's content or description has changed.
    DocumentUpdated = "document.updated" by document_updated {
        /// The document's id in the application.
        document_id: String,
        ;
        /// The document's title after the change.
        document_title: String,
        /// What kind of document it is after the change, such as `pdf` or `txt`.
        document_type: String,
        /// Names of the fields that have changed.
        changed_fields: Texts,
    }
}

payload! {
    /// A document has been removed.
    DocumentDeleted = "document.deleted" by document_deleted {
        /// The document's id in the application.
        document_id: String,
        ;
        /// Why it was removed, in words or as a code of the application.
        reason: String,
    }
}
