using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>An event, as <c>threading.Event</c> has it.</summary>
internal sealed class PythonExportedEvent(HostedObject hosted, string typeId, string ident) : PythonExport(hosted, typeId, ident)
{
    private static readonly string[] Methods = ["clear", "is_set", "set", "wait"];

    public override IReadOnlyList<string> Exposed => Methods;

    public override async Task<object?> CallAsync(PythonSession session, PythonArguments arguments)
    {
        switch (arguments.Method)
        {
            case "is_set":
                arguments.None();
                return (await session.AskAsync(Hosted, Operation.State).ConfigureAwait(false)).Span[0] == 1;
            case "wait":
                return (await session.AskAsync(Hosted, Operation.Await, arguments.Wait(arguments.Bind(0, "timeout")[0], negativeIsNone: true)).ConfigureAwait(false)).Span[0] == 1;
            case "set":
                arguments.None();
                await session.AskAsync(Hosted, Operation.Set).ConfigureAwait(false);
                return null;
            case "clear":
                arguments.None();
                await session.AskAsync(Hosted, Operation.Reset).ConfigureAwait(false);
                return null;
            default:
                throw Hidden(arguments);
        }
    }
}

/// <summary>A semaphore. What is released counts for the connection that does it, and beyond that for others that have some.</summary>
internal sealed class PythonExportedSemaphore(HostedObject hosted, string typeId, string ident) : PythonExport(hosted, typeId, ident)
{
    private static readonly string[] Methods = ["acquire", "release"];

    public override IReadOnlyList<string> Exposed => Methods;

    public override async Task<object?> CallAsync(PythonSession session, PythonArguments arguments)
    {
        switch (arguments.Method)
        {
            case "acquire":
                object?[] acquire = arguments.Bind(0, "blocking", "timeout");
                return (await session.AskAsync(Hosted, Operation.Acquire, arguments.AcquireWait(acquire[0], acquire[1])).ConfigureAwait(false)).Span[0] == 1;
            case "release":
                object? count = arguments.Bind(0, "n")[0];
                await ReleaseAsync(session, count == PythonArguments.Missing ? 1 : arguments.Integer(count, "n")).ConfigureAwait(false);
                return null;
            default:
                throw Hidden(arguments);
        }
    }

    private async Task ReleaseAsync(PythonSession session, long count)
    {
        if (count < 1)
            throw PythonRaisedException.Builtin("ValueError", "n must be one or more");
        try
        {
            await session.AskAsync(Hosted, Operation.Release, body: BitConverter.GetBytes((int)Math.Min(count, int.MaxValue))).ConfigureAwait(false);
        }
        catch (PythonRaisedException refusal) when (refusal.Error.Name == "RuntimeError")
        {
            throw PythonRaisedException.Builtin("ValueError", "Semaphore released too many times");
        }
    }
}

/// <summary>A barrier, as <c>threading.Barrier</c> has it, without an action.</summary>
internal sealed class PythonExportedBarrier(HostedObject hosted, string typeId, string ident) : PythonExport(hosted, typeId, ident)
{
    private static readonly string[] Methods = ["abort", "reset", "wait"];

    /// <summary>How long a wait lasts for which nothing else is said, as Python gave it.</summary>
    public object? DefaultTimeout { get; init; }

    public override IReadOnlyList<string> Exposed => Methods;

    public override bool Has(string method) => method == "__getattribute__" || base.Has(method);

    public override async Task<object?> CallAsync(PythonSession session, PythonArguments arguments)
    {
        switch (arguments.Method)
        {
            case "wait":
                object? timeout = arguments.Bind(0, "timeout")[0];
                return await WaitAsync(session, arguments.Wait(timeout is null || timeout == PythonArguments.Missing ? DefaultTimeout : timeout, negativeIsNone: true)).ConfigureAwait(false);
            case "abort":
                arguments.None();
                await session.AskAsync(Hosted, Operation.Abort).ConfigureAwait(false);
                return null;
            case "reset":
                arguments.None();
                await session.AskAsync(Hosted, Operation.Reset).ConfigureAwait(false);
                return null;
            case "__getattribute__":
                return await AttributeAsync(session, arguments.Bind(1, "name")[0]).ConfigureAwait(false);
            default:
                throw Hidden(arguments);
        }
    }

    private async Task<object?> AttributeAsync(PythonSession session, object? name)
    {
        ReadOnlyMemory<byte> state = await session.AskAsync(Hosted, Operation.State).ConfigureAwait(false);
        return name switch
        {
            "parties" => Parties(),
            "n_waiting" => (long)BitConverter.ToInt32(state.Span),
            "broken" => state.Span[4] == 1,
            _ => throw PythonRaisedException.Builtin("AttributeError", $"'Barrier' object has no attribute {PythonText.Of(name)}"),
        };
    }

    private long Parties()
    {
        using PayloadWriter description = new(16);
        Hosted.Describe(description);
        return BitConverter.ToInt32(description.WrittenSpan);
    }

    private async Task<object?> WaitAsync(PythonSession session, TimeSpan wait)
    {
        ReadOnlyMemory<byte> answer = await session.AskAsync(Hosted, Operation.Arrive, wait, new byte[1]).ConfigureAwait(false);
        if ((PassageResult)answer.Span[0] == PassageResult.Passed)
            return (long)BitConverter.ToInt32(answer.Span[1..]);
        throw new PythonRaisedException(new("threading", "BrokenBarrierError", PythonTuple.Empty));
    }
}
