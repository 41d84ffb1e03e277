using System.Net.Security;
using System.Net.Sockets;

namespace ManyHands.Managers;

/// <summary>A socket, or TLS over one. Without TLS it can be looked at without waiting.</summary>
internal sealed class WireStream : IDisposable
{
    private const int Questions = 3;
    private const int TcpUserTimeout = 18;

    private readonly Socket socket;
    private readonly SslStream? tls;

    public WireStream(Socket socket, SslStream? tls)
    {
        this.socket = socket;
        this.tls = tls;
        socket.Blocking = tls is not null;
    }

    /// <summary>After how many seconds of silence the kernel asks whether the peer's machine is there, and how many pass between two questions. Tests shorten both.</summary>
    public static (int Silence, int Question) Seconds { get; set; } = (5, 3);

    /// <summary>After how many seconds a peer that is gone without a word is found to be: at the third question without an answer.</summary>
    public static int LongestSilence => Seconds.Silence + (Questions * Seconds.Question);

    /// <summary>Whether it can be read and written without waiting.</summary>
    public bool CanTry => tls is null;

    /// <summary>Sets what every connection has: no delay, and questions whether the peer's machine is there. A process that is stopped is there: its kernel answers.</summary>
    public static void SetUp(Socket socket)
    {
        if (socket.AddressFamily is not (AddressFamily.InterNetwork or AddressFamily.InterNetworkV6))
            return;
        socket.NoDelay = true;
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, Seconds.Silence);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, Seconds.Question);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, Questions);
        if (OperatingSystem.IsLinux())
        {
            // The questions aren't asked while something sent waits for its receipt; this bounds that wait.
            int milliseconds = 1000 * LongestSilence;
            socket.SetRawSocketOption((int)SocketOptionLevel.Tcp, TcpUserTimeout, BitConverter.GetBytes(milliseconds));
        }
    }

    /// <summary>What is there now: how much, 0 at the end, -1 for nothing yet.</summary>
    /// <exception cref="SocketException">The connection is broken.</exception>
    public int TryReceive(Span<byte> target)
    {
        int count = socket.Receive(target, SocketFlags.None, out SocketError error);
        return error switch
        {
            SocketError.Success => count,
            SocketError.WouldBlock or SocketError.Interrupted => -1,
            _ => throw new SocketException((int)error),
        };
    }

    /// <summary>0 at the end.</summary>
    public ValueTask<int> ReceiveAsync(Memory<byte> target, CancellationToken token) =>
        tls is null ? socket.ReceiveAsync(target, SocketFlags.None, token) : tls.ReadAsync(target, token);

    /// <summary>Waits on this thread; 0 at the end, -1 if nothing came in that time. Under TLS the time isn't looked at.</summary>
    public int Receive(Span<byte> target, TimeSpan most)
    {
        if (tls is not null)
            return tls.Read(target);
        return most == TimeSpan.Zero || socket.Poll(most, SelectMode.SelectRead) ? TryReceive(target) : -1;
    }

    /// <summary>What goes now; 0 if nothing does.</summary>
    /// <exception cref="SocketException">The connection is broken.</exception>
    public int TrySend(ReadOnlySpan<byte> source)
    {
        int count = socket.Send(source, SocketFlags.None, out SocketError error);
        return error switch
        {
            SocketError.Success => count,
            SocketError.WouldBlock or SocketError.Interrupted => 0,
            _ => throw new SocketException((int)error),
        };
    }

    public async ValueTask SendAsync(ReadOnlyMemory<byte> source)
    {
        if (tls is not null)
        {
            await tls.WriteAsync(source).ConfigureAwait(false);
            return;
        }

        while (source.Length > 0)
            source = source[await socket.SendAsync(source, SocketFlags.None).ConfigureAwait(false)..];
    }

    /// <summary>Ends both ways; whoever reads or writes gets an end or an exception.</summary>
    public void Shutdown()
    {
        try
        {
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception reason) when (reason is SocketException or ObjectDisposedException)
        {
            // It had ended.
        }
    }

    public void Dispose()
    {
        tls?.Dispose();
        socket.Dispose();
    }
}
