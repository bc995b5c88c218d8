//! How a payload is declared, so that none can lack its constructor, its setters or its place in the list of schemas.

/// Declares a payload: a struct of its required and, after the semicolon, its optional fields; its constructor; a setter for
/// each optional field on the payload and on the event that is being built; and the constructor of
/// [`EventFactory`](crate::EventFactory).
macro_rules! payload {
    (
        $(#[$doc:meta])*
        $name:ident = $event_type:literal by $constructor:ident {
            $( $(#[$required_doc:meta])* $required:ident: $required_type:ident, )*
            ;
            $( $(#[$optional_doc:meta])* $optional:ident: $optional_type:ident, )*
        }
        $( user = $user:ident )?
    ) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[schemars(title = $event_type)]
        #[non_exhaustive]
        pub struct $name {
            $( $(#[$required_doc])* pub $required: $required_type, )*
            $(
                $(#[$optional_doc])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $optional: Option<$optional_type>,
            )*
        }

        impl $name {
            #[doc = concat!("The payload of a `", $event_type, "` event with its required fields.")]
            pub fn new($( $required: impl Into<$required_type> ),*) -> Self {
                Self { $( $required: $required.into(), )* $( $optional: None, )* }
            }

            $( setter!($(#[$optional_doc])* $optional: $optional_type, |payload, value| Self { $optional: Some(value), ..payload }); )*
        }

        impl crate::EventBuilder<$name> {
            $( setter!($(#[$optional_doc])* $optional: $optional_type, |event, value| event.map(|payload| payload.$optional(value))); )*
        }

        impl crate::EventFactory {
            #[doc = concat!("A `", $event_type, "` event of a tenant, with the required fields of its payload; the builder takes the others.")]
            pub fn $constructor(
                &self,
                tenant: &crate::TenantId,
                $( $required: impl Into<$required_type> ),*
            ) -> crate::EventBuilder<$name> {
                self.event(tenant, $name::new($( $required ),*))
            }
        }

        impl super::EventPayload for $name {
            const EVENT_TYPE: &'static str = $event_type;
            const VERSION: &'static str = super::VERSION;
            const FIELDS: &'static [&'static str] = &[$( stringify!($required), )* $( stringify!($optional), )*];
            $( fn user(&self) -> Option<&str> { Some(&self.$user) } )?
        }

        /// A payload may hold anything of a tenant's, so only its type is shown.
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

/// A method that sets an optional field: a text is taken in any form, and a list from anything that yields texts.
macro_rules! setter {
    ($(#[$doc:meta])* $name:ident: String, |$this:ident, $value:ident| $body:expr) => {
        $(#[$doc])*
        #[must_use = "it gives the changed one; the other is as it was"]
        pub fn $name(self, $name: impl Into<String>) -> Self {
            let ($this, $value) = (self, $name.into());
            $body
        }
    };
    ($(#[$doc:meta])* $name:ident: Texts, |$this:ident, $value:ident| $body:expr) => {
        $(#[$doc])*
        #[must_use = "it gives the changed one; the other is as it was"]
        pub fn $name(self, $name: impl IntoIterator<Item = impl Into<String>>) -> Self {
            let ($this, $value) = (self, $name.into_iter().map(Into::into).collect::<Vec<String>>());
            $body
        }
    };
    ($(#[$doc:meta])* $name:ident: $type:ident, |$this:ident, $value:ident| $body:expr) => {
        $(#[$doc])*
        #[must_use = "it gives the changed one; the other is as it was"]
        pub fn $name(self, $name: $type) -> Self {
            let ($this, $value) = (self, $name);
            $body
        }
    };
}
