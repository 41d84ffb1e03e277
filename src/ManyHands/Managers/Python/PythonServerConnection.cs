using System.Net;
using System.Net.Sockets;
using ManyHands.Platform;
using ManyHands.Serialization;
using Microsoft.Extensions.Logging;

namespace ManyHands.Managers;

/// <summary>
/// A Python client's connection, past the handshake: one control request and its answer; or, if that was <c>accept_connection</c>, method calls one after the other until the client closes it.
/// </summary>
internal sealed class PythonServerConnection(Socket socket, PythonFraming framing, EndPoint? peer, PythonExports exports, PythonListenerOptions options, ManagerServer server) : IDisposable
{
    private const int LongestName = 200;
    private static readonly PickleLimits Limits = PickleLimits.Default;

    private readonly PythonFrameBuffer outgoing = new();
    private readonly CancellationTokenSource ending = new();
    private readonly HashSet<PythonExport> used = [];
    private PythonSession? session;

    private IPAddress? Address => (peer as IPEndPoint)?.Address;

    /// <summary>Ends the connection; the serving ends with it.</summary>
    public void Stop()
    {
        try
        {
            ending.Cancel();
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception reason) when (reason is SocketException or ObjectDisposedException)
        {
            // It had ended.
        }
    }

    /// <summary>Serves until one side ends it.</summary>
    public async Task RunAsync()
    {
        bool isInOrder = false;
        try
        {
            using (CancellationTokenSource limit = CancellationTokenSource.CreateLinkedTokenSource(ending.Token))
            {
                // Python asks at once.
                limit.CancelAfter(options.HandshakeTimeout);
                if (await framing.ReadAsync(options.MaxMessageSize, limit.Token).ConfigureAwait(false) is not { } control)
                    return;
                await AnswerControlAsync(control).ConfigureAwait(false);
            }

            while (session is not null && await framing.ReadAsync(options.MaxMessageSize, ending.Token).ConfigureAwait(false) is { } request)
            {
                // Whatever it asks: it has read the last answer.
                session.Arrived(long.MaxValue);
                if (!await AnswerCallAsync(request).ConfigureAwait(false))
                    return;
            }

            isInOrder = !ending.IsCancellationRequested;
        }
        catch (Exception reason) when (reason is SocketException or IOException or ObjectDisposedException or OperationCanceledException)
        {
            if (reason is PythonProtocolException)
                server.Log(LogLevel.Warning, $"A Python client at {peer} was cut off: {ExceptionText.MessageOf(reason)}");
        }
        finally
        {
            End(isInOrder);
        }
    }

    public void Dispose()
    {
        session?.EndAll();
        ending.Dispose();
    }

    // ---- control requests ----

    private async Task AnswerControlAsync(ReadOnlyMemory<byte> frame)
    {
        bool isShutdown = false;
        object? value = null;
        try
        {
            (_, string function, PythonTuple positional, PythonDictionary named) = Request(frame);
            value = function switch
            {
                "dummy" => null,
                "create" => Create(positional, named),
                "incref" => Count(Exported(function, positional)),
                "decref" => GiveUp(Exported(function, positional)),
                "get_methods" => new PythonTuple([.. TokenOf(positional).Exposed]),
                "accept_connection" => Accept(positional),
                "number_of_objects" => (long)exports.UsedCount,
                "debug_info" => exports.DebugInfo,
                "shutdown" when options.AllowShutdown => isShutdown = true,
                "shutdown" => throw PythonRaisedException.Builtin("PermissionError", "Clients may not stop this manager (PythonListenerOptions.AllowShutdown)."),
                _ => throw new PythonRefusedException("AssertionError", $"{PythonText.Of(function)} unrecognized"),
            };
            if (isShutdown)
                value = null;
            Reply("#RETURN", value);
        }
        catch (Exception reason) when (Refusal(reason) is { } refusal)
        {
            Reply(refusal.Kind, refusal.Value);
        }

        await framing.WriteAsync(outgoing, ending.Token).ConfigureAwait(false);
        if (isShutdown)
        {
            server.Log(LogLevel.Information, $"A Python client at {peer} has stopped the manager.");
            _ = Task.Run(async () => await server.DisposeAsync().ConfigureAwait(false));
        }
    }

    private PythonTuple Create(PythonTuple positional, PythonDictionary named)
    {
        if (positional.Count == 0 || positional[0] is not string typeId)
            throw new PythonRefusedException("TypeError", "create() takes the name of a type first");
        PythonArguments arguments = new(Cut(typeId), new([.. positional.Skip(1)]), named);
        PythonExport export = exports.Create(typeId, arguments, Address);
        return new(export.Ident, new PythonTuple([.. export.Exposed]));
    }

    private PythonExport Exported(string function, PythonTuple positional) =>
        positional.Count == 1 ? exports.Find(positional[0]) : throw new PythonRefusedException("TypeError", $"{function}() takes the identity of an object");

    private static object? Count(PythonExport export)
    {
        export.AddReference();
        return null;
    }

    private object? GiveUp(PythonExport export)
    {
        exports.GiveUp(export, Address);
        return null;
    }

    private PythonExport TokenOf(PythonTuple positional) =>
        positional.Count == 1 && positional[0] is PythonToken token ? exports.Find(token.Id) : throw new PythonRefusedException("TypeError", "get_methods() takes a token");

    private object? Accept(PythonTuple positional)
    {
        if (positional.Count != 1 || positional[0] is not string name)
            throw new PythonRefusedException("TypeError", "accept_connection() takes the name of the process and its thread");

        // It is shown in logs.
        string shown = string.Concat(Cut(name).Select(character => char.IsControl(character) ? '?' : character));
        session = new PythonSession($"{shown} (Python)", outgoing) { Faults = server.Objects.Faults };
        return null;
    }

    // ---- method calls ----

    // False when the client has gone meanwhile.
    private async Task<bool> AnswerCallAsync(ReadOnlyMemory<byte> frame)
    {
        try
        {
            (object? ident, string method, PythonTuple positional, PythonDictionary named) = Request(frame);
            PythonExport export = exports.Find(ident);
            used.Add(export);
            Task<object?> call = CallAsync(export, new(method, positional, named));
            if (!call.IsCompleted && !await IsStayingAsync(call).ConfigureAwait(false))
            {
                session!.EndAll();
                await ((Task)call).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                return false;
            }

            object? result = await call.ConfigureAwait(false);
            if (result != PythonSession.Written)
                Reply("#RETURN", result);
        }
        catch (PythonUnsendableException reason)
        {
            Reply("#UNSERIALIZABLE", ExceptionText.MessageOf(reason));
        }
        catch (Exception reason) when (Refusal(reason) is { } refusal)
        {
            Reply(refusal.Kind, refusal.Value);
        }
        catch (Exception reason) when (reason is not (OperationCanceledException or SocketException or IOException or ObjectDisposedException))
        {
            // Code of the program's that runs while its values are read, say. Others, and the next call, are not to suffer from it.
            server.Log(LogLevel.Error, $"A call of a Python client at {peer} failed: {ExceptionText.Of(reason)}");
            Reply("#TRACEBACK", new PythonRefusedException("RuntimeError", $"{ReadableName.Of(reason.GetType())}: {ExceptionText.MessageOf(reason)}").Text);
        }

        await framing.WriteAsync(outgoing, ending.Token).ConfigureAwait(false);
        outgoing.Clear();
        return true;
    }

    private async Task<object?> CallAsync(PythonExport export, PythonArguments arguments)
    {
        if (export.Has(arguments.Method))
            return await export.CallAsync(session!, arguments).ConfigureAwait(false);
        switch (arguments.Method)
        {
            case "__str__" or "__repr__":
                arguments.None();
                return await export.TextAsync(session!).ConfigureAwait(false);
            case "#GETVALUE":
                arguments.None();
                try
                {
                    return await export.ValueAsync(session!).ConfigureAwait(false);
                }
                catch (PythonConversionException problem)
                {
                    throw new PythonUnsendableException(ExceptionText.MessageOf(problem));
                }

            default:
                throw new PythonRefusedException("AttributeError", $"method {PythonText.Of(Cut(arguments.Method))} of {export.Hosted.Kind} object is not exposed");
        }
    }

    // Looks at the connection while the call waits: whether there is still somebody who wants its result. Nobody speaks before the answer.
    private async Task<bool> IsStayingAsync(Task call)
    {
        using CancellationTokenSource over = CancellationTokenSource.CreateLinkedTokenSource(ending.Token);
        Task<int> look = socket.ReceiveAsync(new byte[1], SocketFlags.Peek, over.Token).AsTask();
        await Task.WhenAny(call, look).ConfigureAwait(false);
        bool isCompleted = call.IsCompleted;
        if (!isCompleted && look.IsCompletedSuccessfully && look.Result > 0)
            server.Log(LogLevel.Warning, $"A Python client at {peer} was cut off: it asked for more before it had its answer.");
        await over.CancelAsync().ConfigureAwait(false);
        await ((Task)look).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return isCompleted;
    }

    // ---- requests and replies ----

    private static (object? Ident, string Method, PythonTuple Positional, PythonDictionary Named) Request(ReadOnlyMemory<byte> frame)
    {
        object? value;
        try
        {
            value = PickleReader.Read(frame.Span, Limits);
        }
        catch (InvalidPickleException reason)
        {
            throw new PythonRefusedException("pickle.UnpicklingError", ExceptionText.MessageOf(reason));
        }

        if (value is not PythonTuple { Count: 4 } request)
            throw new PythonRefusedException("ValueError", "a request is a tuple of an identity, a method, its arguments and its named arguments");
        if (request[1] is not string method || request[2] is not PythonTuple positional || request[3] is not PythonDictionary named || named.Keys.Any(key => key is not string))
            throw new PythonRefusedException("TypeError", "a request has a str, a tuple and a dict with keys of str behind its identity");
        return (request[0], method, positional, named);
    }

    private static (string Kind, object Value)? Refusal(Exception reason) => reason switch
    {
        PythonRaisedException raised => ("#ERROR", raised.Error),
        PythonRefusedException refused => ("#TRACEBACK", refused.Text),
        PythonConversionException problem => ("#ERROR", PythonError.Builtin("TypeError", ExceptionText.MessageOf(problem))),
        _ => null,
    };

    private void Reply(string kind, object? value)
    {
        outgoing.Clear();
        try
        {
            PickleWriter.Write(outgoing, new PythonTuple(kind, value));
        }
        catch (Exception problem) when (problem is PythonConversionException or ArgumentException)
        {
            outgoing.Clear();
            PickleWriter.Write(outgoing, new PythonTuple("#UNSERIALIZABLE", ExceptionText.MessageOf(problem)));
        }
    }

    private static string Cut(string text) => text.Length <= LongestName ? text : text[..LongestName];

    // ---- the end ----

    private void End(bool isInOrder)
    {
        if (session is not { } ended)
            return;
        HostedQueue? owing = ended.OwingQueue;
        foreach (PythonExport export in used)
        {
            // Each connection that ends takes its own goodbye with it, so that none is left for one that dies.
            bool saidGoodbye = export.Goodbyes.Take(Address) && isInOrder;
            if (saidGoodbye && export.Hosted == owing)
                ended.Arrived(long.MaxValue);
        }

        ended.EndAll();
        foreach (PythonExport export in used)
            export.Left(ended, isInOrder);
    }
}
