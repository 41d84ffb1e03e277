using System.Net;
using System.Net.Sockets;

namespace ManyHands.Tests.Managers;

/// <summary>Two ends of a real connection.</summary>
internal sealed class SocketPair : IDisposable
{
    private SocketPair(Socket one, Socket other)
    {
        One = new NetworkStream(one, ownsSocket: true);
        Other = new NetworkStream(other, ownsSocket: true);
    }

    public NetworkStream One { get; }

    public NetworkStream Other { get; }

    public static async Task<SocketPair> ConnectAsync()
    {
        using Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        Socket one = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await one.ConnectAsync(listener.LocalEndPoint!);
        return new SocketPair(one, await listener.AcceptAsync());
    }

    public void Dispose()
    {
        One.Dispose();
        Other.Dispose();
    }
}
