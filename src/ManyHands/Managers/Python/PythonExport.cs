using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>An object as Python clients have it: under an identity, with methods by name.</summary>
internal abstract class PythonExport(HostedObject hosted, string typeId, string ident)
{
    private int references;

    public HostedObject Hosted => hosted;

    /// <summary>What it was first asked for as.</summary>
    public string TypeId => typeId;

    public string Ident => ident;

    /// <summary>Made by a client, and gone when nobody uses it.</summary>
    public bool IsCreated { get; init; }

    /// <summary>When somebody last had to do with it, in <see cref="Environment.TickCount64"/>.</summary>
    public long LastUse { get; set; } = Environment.TickCount64;

    public PythonGoodbyes Goodbyes { get; } = new();

    public int References => Volatile.Read(ref references);

    /// <summary>The methods that clients may call; the names become code there.</summary>
    public abstract IReadOnlyList<string> Exposed { get; }

    /// <summary>Whether a client may call it: what is exposed, and what proxies of Python's own classes call beside that.</summary>
    public virtual bool Has(string method) => Exposed.Contains(method, StringComparer.Ordinal);

    /// <summary>Calls one of the methods that it has.</summary>
    /// <exception cref="PythonRaisedException">What the client is to raise.</exception>
    /// <exception cref="PythonConversionException">A value is of the wrong type.</exception>
    public abstract Task<object?> CallAsync(PythonSession session, PythonArguments arguments);

    /// <summary>A copy of it as a value.</summary>
    /// <exception cref="PythonConversionException">It is none.</exception>
    public virtual Task<object?> ValueAsync(PythonSession session) => throw new PythonConversionException("", $"{this} is used where it is, and has no value to copy");

    /// <summary>What <c>str</c> makes of it: its value, if it is one.</summary>
    public virtual async Task<string> TextAsync(PythonSession session)
    {
        try
        {
            return PythonText.Of(await ValueAsync(session).ConfigureAwait(false));
        }
        catch (Exception reason) when (reason is PythonConversionException or PythonUnsendableException)
        {
            return ToString();
        }
    }

    /// <summary>The session's connection has ended, without a word or in good order.</summary>
    public virtual void Left(PythonSession session, bool inGoodOrder)
    {
    }

    public int AddReference() => Interlocked.Increment(ref references);

    /// <summary>Never below zero: what clients say about references is not to be relied on.</summary>
    public int RemoveReference()
    {
        while (true)
        {
            int count = Volatile.Read(ref references);
            if (count == 0)
                return 0;
            if (Interlocked.CompareExchange(ref references, count - 1, count) == count)
                return count - 1;
        }
    }

    public override string ToString() => $"<ManyHands {hosted.Kind} '{hosted.Name}'>";

    protected static PythonRefusedException Hidden(PythonArguments arguments) => new("AttributeError", $"method {PythonText.Of(arguments.Method)} is not exposed");

    /// <summary>The operation's body with one value.</summary>
    protected ReadOnlyMemory<byte> Block(object? value, string name)
    {
        using PayloadWriter writer = new();
        hosted.Items!.WriteBlock(writer, value, name);
        return writer.WrittenSpan.ToArray();
    }
}
