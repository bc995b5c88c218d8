//! `organization.…`

use super::Texts;

payload! {
    /// An organization has been set up.
    OrganizationCreated = "organization.created" by organization_created {
        /// The organization's id in the application.
        organization_id: String,
        /// The organization's name, as people see it.
        organization_name: String,
        ;
        /// The plan it is on.
        plan: String,
    }
}

payload! {
    /// An organization's settings have changed.
    OrganizationUpdated = "organization.updated" by organization_updated {
        /// The organization's id in the application.
        organization_id: String,
        ;
        /// The organization's name after the change.
        organization_name: String,
        /// The plan it is on after the change.
        plan: String,
        /// Names of the settings that have changed.
        changed_fields: Texts,
    }
}
