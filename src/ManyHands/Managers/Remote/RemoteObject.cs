using ManyHands.Platform;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>A manager's object, as its users have it. Made once per name and link, and shared by all who ask for it.</summary>
internal abstract class RemoteObject(ManagerLink link, string name, ObjectKind kind, string typeName)
{
    private int disposed;

    public ManagerLink Link => link;

    public string Name => name;

    public ObjectKind Kind => kind;

    public string TypeName => typeName;

    /// <summary>The object itself, if the manager is in this process.</summary>
    public HostedObject? Hosted { get; init; }

    /// <summary>Under which number it was opened on which connection; replaced as one.</summary>
    public OpenedObject? Opened { get; set; }

    /// <summary>Its user has disposed of it; the next who asks gets another.</summary>
    public bool IsForgotten => Volatile.Read(ref disposed) != 0;

    protected bool IsDisposed => IsForgotten;

    /// <summary>This user has no more use for it; the object stays.</summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref disposed, 1) == 0)
            DisposeOnce();
    }

    /// <summary>Takes in what the object says about itself when it is opened.</summary>
    public virtual void Learn(ReadOnlyMemory<byte> description)
    {
    }

    public override string ToString() => TypeName.Length > 0 ? $"{Kind} '{Name}' of {TypeName}" : $"{Kind} '{Name}'";

    protected virtual void DisposeOnce()
    {
    }

    protected void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(IsDisposed, this);

    protected Task<ReadOnlyMemory<byte>> AskAsync(
        Operation operation, ReadOnlyMemory<byte> body = default, TimeSpan wait = default, RequestTraits traits = RequestTraits.None, Action<ReadOnlyMemory<byte>>? undo = null, CancellationToken token = default)
    {
        ThrowIfDisposed();
        return link.SendAsync(this, operation, wait, body, traits, undo, token);
    }

    protected ReadOnlyMemory<byte> Ask(
        Operation operation, ReadOnlyMemory<byte> body = default, TimeSpan wait = default, RequestTraits traits = RequestTraits.None, Action<ReadOnlyMemory<byte>>? undo = null, CancellationToken token = default)
    {
        ThrowIfDisposed();
        return link.Send(this, operation, wait, body, traits, undo, token);
    }

    /// <summary>What was encoded, as a refusal tells it.</summary>
    /// <exception cref="UnsendableCallException">It can't travel.</exception>
    protected void Encode<T>(PayloadWriter writer, T value, string what)
    {
        try
        {
            // Its length comes first, and is known last.
            int start = writer.Length;
            writer.WriteUnmanaged(0);
            ItemFormat<T>.Instance.Write(writer, value);
            writer.PatchInt32(start, writer.Length - start - sizeof(int));
        }
        catch (Exception failure) when (failure is UnsendableValueException or PayloadTooLargeException)
        {
            throw new UnsendableCallException($"{this}: the {what} can't travel: {ExceptionText.MessageOf(failure)}", failure);
        }
    }

    /// <summary>Reads a block that <see cref="Encode"/> wrote.</summary>
    protected static T Decode<T>(ref PayloadReader reader)
    {
        int length = reader.ReadCount(1);
        PayloadReader block = new(reader.ReadMemory(length));
        return ItemFormat<T>.Instance.Read(ref block);
    }

    /// <summary>The whole of an answer, where bytes that make no sense mean two versions that don't fit.</summary>
    protected TResult Read<TResult>(ReadOnlyMemory<byte> answer, AnswerReader<TResult> read)
    {
        try
        {
            PayloadReader reader = new(answer);
            return read(ref reader);
        }
        catch (InvalidPayloadException damage)
        {
            throw new ManagerException(ManagerError.BadRequest, $"{this}: the manager's answer can't be read: {ExceptionText.MessageOf(damage)} Are both sides' types the same?", damage);
        }
    }

    protected delegate TResult AnswerReader<TResult>(ref PayloadReader reader);
}

/// <summary>Under which number an object was opened on which connection.</summary>
internal sealed record OpenedObject(object Epoch, int Number);
