using System.Net;
using System.Net.Sockets;

namespace ManyHands.Tests.Managers;

/// <summary>Stands between clients and a manager, and does to their bytes what networks do. What it is told holds for connections that are made later.</summary>
internal sealed class UnreliableNetwork : IAsyncDisposable
{
    private readonly Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly CancellationTokenSource ending = new();
    private readonly IPEndPoint target;
    private readonly Task accepting;
    private readonly List<Task> connections = [];
    private int cuts;

    public UnreliableNetwork(EndPoint target)
    {
        this.target = (IPEndPoint)target;
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        accepting = AcceptAsync();
    }

    public EndPoint EndPoint => listener.LocalEndPoint!;

    /// <summary>The next connection is reset after so many bytes of the client's; those up to there arrive.</summary>
    public int? CutAfterSent { get; set; }

    /// <summary>The next connection is reset after so many bytes of the manager's; those up to there arrive.</summary>
    public int? CutAfterReceived { get; set; }

    /// <summary>How many bytes pass at a time.</summary>
    public int Piece { get; set; } = 64 * 1024;

    /// <summary>How late every piece arrives.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>How many connections were cut.</summary>
    public int Cuts => Volatile.Read(ref cuts);

    public async ValueTask DisposeAsync()
    {
        await ending.CancelAsync();
        listener.Dispose();
        await accepting;
        await Task.WhenAll(connections);
        ending.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                Socket client = await listener.AcceptAsync(ending.Token);
                (int? sent, int? received) = (CutAfterSent, CutAfterReceived);
                (CutAfterSent, CutAfterReceived) = (null, null);
                connections.Add(CarryAsync(client, sent, received));
            }
        }
        catch (Exception reason) when (reason is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // It ends.
        }
    }

    private async Task CarryAsync(Socket client, int? sent, int? received)
    {
        using Socket manager = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        using (client)
        using (CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(ending.Token))
        {
            client.NoDelay = true;
            try
            {
                await manager.ConnectAsync(target, over.Token);
                Task<bool> there = PumpAsync(client, manager, sent, over.Token);
                Task<bool> back = PumpAsync(manager, client, received, over.Token);
                Task<bool> first = await Task.WhenAny(there, back);
                bool isCut = await first;
                if (isCut)
                {
                    // A reset, not an end in good order.
                    Interlocked.Increment(ref cuts);
                    client.LingerState = manager.LingerState = new(true, 0);
                }

                await over.CancelAsync();
                await Task.WhenAll(there, back);
            }
            catch (Exception reason) when (reason is OperationCanceledException or SocketException)
            {
                // One side has gone, or all ends.
            }
        }
    }

    // Whether it was cut.
    private async Task<bool> PumpAsync(Socket from, Socket to, int? most, CancellationToken token)
    {
        byte[] buffer = new byte[64 * 1024];
        int left = most ?? int.MaxValue;
        try
        {
            while (left > 0)
            {
                int count = await from.ReceiveAsync(buffer.AsMemory(0, Math.Min(Piece, Math.Min(left, buffer.Length))), token);
                if (count == 0)
                    return false;
                if (Delay > TimeSpan.Zero)
                    await Task.Delay(Delay, token);
                for (int done = 0; done < count;)
                    done += await to.SendAsync(buffer.AsMemory(done, count - done), token);
                if (most is not null)
                    left -= count;
            }

            return true;
        }
        catch (Exception reason) when (reason is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            return false;
        }
    }
}
