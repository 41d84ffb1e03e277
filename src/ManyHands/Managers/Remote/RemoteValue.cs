using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>A manager's value, as its users have it.</summary>
internal sealed class RemoteValue<T>(ManagerLink link, string name) : RemoteObject(link, name, ObjectKind.Value, ItemFormat<T>.TypeName), ISharedValue<T>
{
    public T Value
    {
        get => Decoded(Block());
        set => Exchange(value);
    }

    public T Exchange(T value)
    {
        using PayloadWriter body = new();
        Encode(body, value, "value");
        return Decoded(Block(Ask(Operation.Exchange, body.WrittenMemory)));
    }

    public T CompareExchange(T value, T comparand)
    {
        using PayloadWriter body = new();
        Encode(body, value, "value");
        Encode(body, comparand, "comparand");
        return Decoded(Block(Ask(Operation.CompareExchange, body.WrittenMemory)));
    }

    public T Update(Func<T, T> change)
    {
        ArgumentNullException.ThrowIfNull(change);
        ReadOnlyMemory<byte> before = Block();
        using PayloadWriter body = new();
        while (true)
        {
            T changed = change(Decoded(before));
            body.Clear();
            Encode(body, changed, "value");

            // As it came: what is written again need not be the same bytes.
            HostedObject.WriteBlock(body, before.Span);
            ReadOnlyMemory<byte> there = Block(Ask(Operation.CompareExchange, body.WrittenMemory));
            if (there.Span.SequenceEqual(before.Span))
                return changed;
            before = there;
        }
    }

    private ReadOnlyMemory<byte> Block() => Block(Ask(Operation.Read, traits: RequestTraits.Repeatable));

    private ReadOnlyMemory<byte> Block(ReadOnlyMemory<byte> answer) => Read(answer, static (ref reader) => reader.ReadMemory(reader.ReadCount(1)));

    private T Decoded(ReadOnlyMemory<byte> block) => Read(block, static (ref reader) => ItemFormat<T>.Instance.Read(ref reader));
}
