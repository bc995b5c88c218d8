//! `user.…`

payload! {
    /// A user has registered. The envelope's user is this one, unless another is named there.
    UserRegistered = "user.registered" by user_registered {
        /// The user's id in the application.
        user_id: String,
        ;
        /// The user's e-mail address.
        email: String,
        /// How the user registered, such as `password`, `invitation` or an identity provider's name.
        registration_method: String,
    }
    user = user_id
}

payload! {
    /// A user has logged in. The envelope's user is this one, unless another is named there.
    UserLogin = "user.login" by user_login {
        /// The user's id in the application.
        user_id: String,
        ;
        /// How the user logged in, such as `password` or an identity provider's name.
        login_method: String,
    }
    user = user_id
}
