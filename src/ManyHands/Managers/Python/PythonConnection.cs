using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using ManyHands.Platform;

namespace ManyHands.Managers;

/// <summary>A connection to one of Python's managers, past the handshake. One request at a time.</summary>
internal sealed class PythonConnection : IDisposable
{
    private readonly Socket socket;
    private readonly PythonFraming framing;
    private readonly PythonFrameBuffer request = new();
    private readonly int maximum;

    private PythonConnection(Socket socket, int maximum)
    {
        this.socket = socket;
        this.maximum = maximum;
        framing = new PythonFraming(new NetworkStream(socket, ownsSocket: true));
    }

    /// <summary>Whether it is good for a request. A server that has gone leaves its end to be read.</summary>
    public bool IsAlive
    {
        get
        {
            try
            {
                return !socket.Poll(0, SelectMode.SelectRead);
            }
            catch (Exception gone) when (gone is SocketException or ObjectDisposedException)
            {
                return false;
            }
        }
    }

    /// <summary>Connects and proves the key.</summary>
    /// <exception cref="IOException">Nobody is there, or nobody that speaks this protocol.</exception>
    /// <exception cref="AuthenticationException">The keys differ.</exception>
    /// <exception cref="TimeoutException">It took too long.</exception>
    public static async Task<PythonConnection> OpenAsync(EndPoint endPoint, ReadOnlyMemory<byte> key, PythonManagerClientOptions options, CancellationToken token)
    {
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(token);
        deadline.CancelAfter(options.ConnectTimeout);
        Socket socket = endPoint is UnixDomainSocketEndPoint ? new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) : new(SocketType.Stream, ProtocolType.Tcp);
        PythonConnection? connection = null;
        try
        {
            if (endPoint is not UnixDomainSocketEndPoint)
                Tune(socket);
            await socket.ConnectAsync(endPoint, deadline.Token).ConfigureAwait(false);
            connection = new PythonConnection(socket, options.MaximumMessageSize);
            await PythonHandshake.JoinAsync(connection.framing, key, options.AllowLegacyMd5, deadline.Token).ConfigureAwait(false);
            return connection;
        }
        catch (Exception failure)
        {
            connection?.Dispose();
            socket.Dispose();
            if (failure is OperationCanceledException && !token.IsCancellationRequested)
                throw new TimeoutException($"{endPoint} didn't answer within {options.ConnectTimeout.TotalSeconds} s. Is a manager of Python's listening there?", failure);
            if (failure is SocketException)
                throw new IOException($"No manager of Python's could be reached at {endPoint}: {ExceptionText.MessageOf(failure)}", failure);
            if (failure is AuthenticationException or PythonProtocolException)
                throw failure is AuthenticationException ? new AuthenticationException($"{endPoint}: {ExceptionText.MessageOf(failure)}", failure) : new IOException($"{endPoint}: {ExceptionText.MessageOf(failure)}", failure);
            throw;
        }
    }

    /// <summary>Sends a request and waits for its reply. After any failure but <see cref="PythonException"/> and <see cref="PythonConversionException"/> it is good for nothing more.</summary>
    public async Task<object?> AskAsync(string? id, string name, PythonTuple arguments, CancellationToken token)
    {
        request.Clear();
        PickleWriter.Write(request, new PythonTuple([id, name, arguments, new PythonDictionary()], isOurs: true), maximumLength: maximum);
        await framing.WriteAsync(request, token).ConfigureAwait(false);
        ReadOnlyMemory<byte> reply = await framing.ReadAsync(maximum, token).ConfigureAwait(false)
            ?? throw new IOException("The manager closed the connection instead of answering; whether the call was made is not known.");
        object? read;
        try
        {
            read = PickleReader.Read(reply.Span, PythonManagerClientOptions.ReplyLimits);
        }
        catch (InvalidPickleException invalid)
        {
            throw PythonConversionException.Unreadable("result", $"what the call of {name} returned can't be read: {ExceptionText.MessageOf(invalid).TrimEnd('.')}", reply.Span, invalid);
        }

        return ResultOf(read, name);
    }

    public void Dispose() => socket.Dispose();

    private static object? ResultOf(object? reply, string name) => reply switch
    {
        PythonTuple { Count: 2 } pair => (pair[0], pair[1]) switch
        {
            ("#RETURN", var result) => result,
            ("#PROXY", PythonTuple { Count: 2 } proxy) when proxy[1] is PythonToken token => new PythonProxyReference("AutoProxy", token, Names(proxy[0])),
            ("#ERROR", PythonError error) => throw new PythonException(error),
            ("#TRACEBACK" or "#UNSERIALIZABLE", string text) => throw new PythonException(text),
            _ => throw new PythonProtocolException($"The call of {name} was answered with {PythonText.Of(pair)}, which is no answer."),
        },
        _ => throw new PythonProtocolException($"The call of {name} was answered with {PythonText.Of(reply)}, which is no answer."),
    };

    public static string[]? Names(object? exposed) => exposed is IReadOnlyList<object?> names ? [.. names.OfType<string>()] : null;

    private static void Tune(Socket socket)
    {
        socket.NoDelay = true;

        // A server whose machine has gone is found out within 15 s of silence.
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 5);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 5);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 2);
    }
}
