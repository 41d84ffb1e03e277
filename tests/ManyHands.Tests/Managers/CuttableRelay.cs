using System.Net;
using System.Net.Sockets;

namespace ManyHands.Tests.Managers;

/// <summary>A way to a manager whose connections can be cut, while both sides live on.</summary>
internal sealed class CuttableRelay : IAsyncDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly EndPoint target;
    private readonly List<Socket> sockets = [];
    private readonly Task accepting;

    public CuttableRelay(EndPoint target)
    {
        this.target = target;
        listener.Start();
        accepting = AcceptAsync();
    }

    public EndPoint EndPoint => listener.LocalEndpoint;

    /// <summary>Ends all connections; new ones can be made.</summary>
    public void Cut()
    {
        lock (sockets)
        {
            foreach (Socket one in sockets)
                one.Dispose();
            sockets.Clear();
        }
    }

    public async ValueTask DisposeAsync()
    {
        listener.Dispose();
        Cut();
        await accepting;
    }

    private static async Task PumpAsync(Socket from, Socket to)
    {
        byte[] buffer = new byte[16 * 1024];
        try
        {
            while (await from.ReceiveAsync(buffer) is > 0 and int count)
                await to.SendAsync(buffer.AsMemory(0, count));
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException)
        {
            // It was cut, or one side has left.
        }

        from.Dispose();
        to.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                Socket near = await listener.AcceptSocketAsync();
                Socket far = new(SocketType.Stream, ProtocolType.Tcp);
                near.NoDelay = far.NoDelay = true;
                lock (sockets)
                    sockets.AddRange([near, far]);
                await far.ConnectAsync(target);
                _ = PumpAsync(near, far);
                _ = PumpAsync(far, near);
            }
        }
        catch (Exception end) when (end is SocketException or ObjectDisposedException)
        {
            // Disposed of.
        }
    }
}
