//! `query.…`

payload! {
    /// A query has been answered.
    QueryExecuted = "query.executed" by query_executed {
        /// The query's id in the application.
        query_id: String,
        ;
        /// The query as it was asked.
        query_text: String,
        /// How many results it had.
        result_count: u64,
        /// How long the answer took, in milliseconds.
        duration_ms: u64,
    }
}

payload! {
    /// A query could not be answered.
    QueryFailed = "query.failed" by query_failed {
        /// The query's id in the application.
        query_id: String,
        /// What went wrong, as a code of the application.
        error_code: String,
        ;
        /// The query as it was asked.
        query_text: String,
        /// What went wrong, in words.
        error_message: String,
        /// How long it took until the failure, in milliseconds.
        duration_ms: u64,
    }
}
