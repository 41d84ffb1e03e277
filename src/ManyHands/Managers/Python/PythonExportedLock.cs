using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>
/// A lock. As a <c>threading.Lock</c> anybody may release it; as an <c>RLock</c>, and as the lock of a condition, it belongs to one thread of a client, which is one connection, may be entered again, and is released as often.
/// </summary>
internal class PythonExportedLock(HostedObject hosted, string typeId, string ident) : PythonExport(hosted, typeId, ident)
{
    private static readonly string[] Methods = ["acquire", "locked", "release"];

    private readonly Lock gate = new();

    // Whoever has it by us; others may have it too, who are no clients of Python's.
    private Stay? holder;

    public override IReadOnlyList<string> Exposed => Methods;

    /// <summary>Whether it belongs to one connection, and may be entered again.</summary>
    public bool IsOwned { get; init; }

    public override async Task<object?> CallAsync(PythonSession session, PythonArguments arguments)
    {
        switch (arguments.Method)
        {
            case "acquire":
                object?[] acquire = arguments.Bind(0, "blocking", "timeout");
                return await AcquireAsync(session, arguments.AcquireWait(acquire[0], acquire[1])).ConfigureAwait(false);
            case "release":
                arguments.None();
                await ReleaseAsync(session).ConfigureAwait(false);
                return null;
            case "locked":
                arguments.None();
                return await IsHeldAsync(session).ConfigureAwait(false);
            default:
                throw Hidden(arguments);
        }
    }

    public override void Left(PythonSession session, bool inGoodOrder)
    {
        // The object itself has freed it.
        lock (gate)
        {
            if (holder?.Session == session)
                holder = null;
        }
    }

    /// <summary>The number of the stay under which the session is in.</summary>
    /// <exception cref="PythonRaisedException">It isn't.</exception>
    protected long NumberOf(PythonSession session)
    {
        lock (gate)
            return holder is { } stay && stay.Session == session ? stay.Number : throw PythonRaisedException.Builtin("RuntimeError", "the condition is not acquired by this thread");
    }

    /// <summary>It has left, and come in again, as often as it was in.</summary>
    protected void Renumber(PythonSession session, long number, int count)
    {
        lock (gate)
            holder = new(session, number) { Count = count };
    }

    /// <summary>It is not in for the time of a wait.</summary>
    /// <returns>How often it was.</returns>
    protected int Leave()
    {
        lock (gate)
        {
            int count = holder?.Count ?? 1;
            holder = null;
            return count;
        }
    }

    private async Task<bool> AcquireAsync(PythonSession session, TimeSpan wait)
    {
        lock (gate)
        {
            if (IsOwned && holder?.Session == session)
            {
                holder.Count++;
                return true;
            }
        }

        ReadOnlyMemory<byte> answer = await session.AskAsync(Hosted, Operation.Enter, wait).ConfigureAwait(false);
        if (answer.Span[0] == 0)
            return false;
        Renumber(session, BitConverter.ToInt64(answer.Span[1..]), 1);
        return true;
    }

    private async Task ReleaseAsync(PythonSession session)
    {
        Stay stay;
        lock (gate)
        {
            if (holder is not { } there || (IsOwned && there.Session != session))
                throw PythonRaisedException.Builtin("RuntimeError", IsOwned ? "cannot release un-acquired lock" : "release unlocked lock");
            if (--there.Count > 0)
                return;
            stay = there;
            holder = null;
        }

        try
        {
            await stay.Session.AskAsync(Hosted, Operation.Exit, body: BitConverter.GetBytes(stay.Number)).ConfigureAwait(false);
        }
        catch (Exception reason) when (stay.Session != session && reason is (OperationCanceledException or PythonRaisedException))
        {
            // Its holder has ended meanwhile, and it is free by that.
        }
    }

    // By whomever.
    private async Task<bool> IsHeldAsync(PythonSession session) => (await session.AskAsync(Hosted, Operation.State).ConfigureAwait(false)).Span[0] == 1;

    private sealed class Stay(PythonSession session, long number)
    {
        public PythonSession Session => session;

        public long Number => number;

        public int Count { get; set; } = 1;
    }
}

/// <summary>A condition, with the lock that it has.</summary>
internal sealed class PythonExportedCondition(HostedObject hosted, string typeId, string ident) : PythonExportedLock(hosted, typeId, ident)
{
    private static readonly string[] Methods = ["acquire", "notify", "notify_all", "release", "wait"];

    public override IReadOnlyList<string> Exposed => Methods;

    public override async Task<object?> CallAsync(PythonSession session, PythonArguments arguments)
    {
        switch (arguments.Method)
        {
            case "wait":
                return await WaitAsync(session, arguments.Wait(arguments.Bind(0, "timeout")[0], negativeIsNone: true)).ConfigureAwait(false);
            case "notify":
                object? count = arguments.Bind(0, "n")[0];
                await NotifyAsync(session, count == PythonArguments.Missing ? 1 : (int)Math.Clamp(arguments.Integer(count, "n"), 0, int.MaxValue)).ConfigureAwait(false);
                return null;
            case "notify_all":
                arguments.None();
                await NotifyAsync(session, -1).ConfigureAwait(false);
                return null;
            default:
                return await base.CallAsync(session, arguments).ConfigureAwait(false);
        }
    }

    private async Task<bool> WaitAsync(PythonSession session, TimeSpan wait)
    {
        long number = NumberOf(session);
        int count = Leave();
        ReadOnlyMemory<byte> answer = await session.AskAsync(Hosted, Operation.WaitFor, wait, BitConverter.GetBytes(number)).ConfigureAwait(false);
        Renumber(session, BitConverter.ToInt64(answer.Span[1..]), count);
        return answer.Span[0] == 1;
    }

    private async Task NotifyAsync(PythonSession session, int count)
    {
        using PayloadWriter body = new(16);
        body.WriteUnmanaged(NumberOf(session));
        body.WriteUnmanaged(count);
        if (count != 0)
            await session.AskAsync(Hosted, Operation.Notify, body: body.WrittenSpan.ToArray()).ConfigureAwait(false);
    }
}
