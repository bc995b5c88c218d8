//! Where a program of ours takes connections: decided once, for the worker and the operator.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be taken; the kernel takes the lesser of this and its own limit.
const BACKLOG: i32 = 1024;

/// Listens on an address, without blocking.
///
/// `[::]` is every address of the machine, of IPv4 and IPv6: a probe comes to the pod's IP, which is of either family.
/// Whether `[::]` takes IPv4 too is a setting of the machine (`net.ipv6.bindv6only`) where the socket does not say so.
/// Where the kernel has no IPv6, `[::]` is every address of IPv4.
///
/// # Errors
/// When the address cannot be bound.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    match bind(address) {
        Err(error) => match without_ipv6(address, &error) {
            Some(address) => bind(address),
            None => Err(error),
        },
        listener => listener,
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.ip().is_unspecified() && address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// What to listen on instead, where the kernel says that it has no IPv6 (`ipv6.disable=1`: the family is unknown, or has
/// no address). A port that is taken stays an error.
fn without_ipv6(address: SocketAddr, error: &io::Error) -> Option<SocketAddr> {
    /// `EAFNOSUPPORT` of Linux, for which the standard library has no kind that is stable.
    const NO_SUCH_FAMILY: i32 = 97;
    let none = error.raw_os_error() == Some(NO_SUCH_FAMILY)
        || matches!(
            error.kind(),
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported
        );
    let all = address.is_ipv6() && address.ip().is_unspecified();
    (none && all).then(|| (Ipv4Addr::UNSPECIFIED, address.port()).into())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, TcpStream};

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn every_address_is_of_both_families() {
        let listener = listen(address("[::]:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        // Where the kernel has no IPv6 there is nothing to connect to.
        if listener.local_addr().unwrap().is_ipv6() {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
        }
    }

    #[test]
    fn an_address_of_one_family_stays_one() {
        let listener = listen(address("127.0.0.1:0")).unwrap();
        let bound = listener.local_addr().unwrap();
        TcpStream::connect(bound).unwrap();
        assert!(TcpStream::connect((Ipv6Addr::LOCALHOST, bound.port())).is_err());
        let taken = listen(bound).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_kernel_without_ipv6_gets_every_address_of_ipv4() {
        let no_family = io::Error::from_raw_os_error(97);
        let no_address = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for error in [&no_family, &no_address] {
            assert_eq!(
                without_ipv6(address("[::]:8080"), error),
                Some(address("0.0.0.0:8080"))
            );
            assert_eq!(without_ipv6(address("[::1]:8080"), error), None);
            assert_eq!(without_ipv6(address("0.0.0.0:8080"), error), None);
        }
        let taken = io::Error::from(io::ErrorKind::AddrInUse);
        assert_eq!(without_ipv6(address("[::]:8080"), &taken), None);
    }
}
