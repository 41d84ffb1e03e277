using ManyHands.Platform;
using Nerdbank.MessagePack;
using PolyType;

namespace ManyHands.Serialization;

/// <summary>
/// Carries everything that has no codec of its own: records, classes, collections. A value is looked through before it is written;
/// what wouldn't arrive equal is refused, as nobody would notice the difference until much later.
/// </summary>
internal sealed class MessagePackCodec<T> : Codec<T>
{
    private readonly ITypeShape<T>? shape;
    private readonly Refusal? refusal;
    private readonly ValueCheck<T>? check;
    private readonly IReadOnlyList<Type> suspects;
    private readonly bool isUnordered;

    public MessagePackCodec()
    {
        Inspection<T> inspection = SendableInspector.Inspect<T>(out shape);
        refusal = inspection.Verdict;
        check = inspection.Check;
        suspects = inspection.Suspects;
        isUnordered = suspects.Count > 0 && inspection.MayBeWrittenInAnyOrder;
    }

    public override string? WhyRefused => refusal?.ToException(typeof(T)).Message;

    public override void Write(PayloadWriter writer, T value)
    {
        if (refusal is not null)
            throw refusal.ToException(typeof(T));
        Examine(in value);
        int start = writer.Length;
        try
        {
            WriteBlock(writer, in value);
        }
        catch (Exception exception)
        {
            writer.Truncate(start);
            if (FindTooLarge(exception) is { } tooLarge)
                throw tooLarge;
            throw new UnsendableValueException($"{ReadableName.Of(typeof(T))} couldn't be written: {ExceptionText.MessageOf(Innermost(exception))}", exception);
        }

        if (suspects.Count > 0)
            Prove(writer, start);
    }

    public override T Read(ref PayloadReader reader)
    {
        int frame = reader.ReadUnmanaged<int>();
        long length = Math.Abs((long)frame);
        if (length > reader.Remaining)
            throw InvalidPayloadException.BadLength(length, reader.Remaining);
        ReadOnlyMemory<byte> bytes = reader.ReadMemory((int)length);
        if (shape is null || refusal is not null)
            throw new InvalidPayloadException($"'{ReadableName.Of(typeof(T))}' never travels.");
        return ReadBlock(bytes, isDeep: frame < 0);
    }

    /// <summary>Writes a length, negative for a value of so many levels that it needs a stack of its own, and the value.</summary>
    private void WriteBlock(PayloadWriter writer, in T value)
    {
        int start = writer.Length;
        writer.WriteUnmanaged(0);
        try
        {
            Serialize(writer, in value, ExactSerializer.Shallow);
            writer.PatchInt32(start, writer.Length - start - sizeof(int));
        }
        catch (MessagePackSerializationException exception) when (Innermost(exception) is MessagePackSerializationException)
        {
            // Too deep, most likely; if not, it will fail there again.
            writer.Truncate(start + sizeof(int));
            T deep = value;
            RoomyStack.Run(() => Serialize(writer, in deep, ExactSerializer.Deep));
            writer.PatchInt32(start, -(writer.Length - start - sizeof(int)));
        }
    }

    private T ReadBlock(ReadOnlyMemory<byte> bytes, bool isDeep)
    {
        if (!isDeep)
            return Deserialize(bytes, ExactSerializer.Shallow);
        T? value = default;
        RoomyStack.Run(() => value = Deserialize(bytes, ExactSerializer.Deep));
        return value!;
    }

    private void Serialize(PayloadWriter writer, in T value, MessagePackSerializer serializer)
    {
        PayloadWriter? outer = PayloadWriter.Enter(writer);
        try
        {
            MessagePackWriter packed = new(writer);
            serializer.Serialize(ref packed, in value, shape!);
            packed.Flush();
        }
        finally
        {
            PayloadWriter.Enter(outer);
        }
    }

    private T Deserialize(ReadOnlyMemory<byte> bytes, MessagePackSerializer serializer)
    {
        try
        {
            MessagePackReader packed = new(bytes);
            T? value = serializer.Deserialize(ref packed, shape!);
            if (!packed.End)
                throw new InvalidPayloadException($"The payload is damaged: bytes are left over after a {ReadableName.Of(typeof(T))}.");
            return value!;
        }
        catch (Exception exception) when (exception is not InvalidPayloadException)
        {
            throw new InvalidPayloadException($"The payload isn't a {ReadableName.Of(typeof(T))}: {ExceptionText.MessageOf(Innermost(exception))}", exception);
        }
    }

    private void Examine(in T value)
    {
        Refusal? found;
        try
        {
            found = check?.Invoke(in value, 0);
        }
        catch (Exception exception)
        {
            throw new UnsendableValueException($"{ReadableName.Of(typeof(T))} couldn't be read: {ExceptionText.MessageOf(exception)}", exception);
        }

        if (found is not null)
            throw found.ToException(typeof(T));
    }

    /// <summary>
    /// Constructors and setters with code of their own may change what they are given. Whether they do shows when the copy is written
    /// again: if the bytes differ, the copy does.
    /// </summary>
    private void Prove(PayloadWriter writer, int start)
    {
        string? difference = null;
        using PayloadWriter again = new(writer.Length - start, writer.Context);
        try
        {
            PayloadReader reader = new(writer.WrittenMemory[start..]);
            WriteBlock(again, Read(ref reader));
            if (!IsSameContent(again.WrittenSpan, writer.WrittenSpan[start..]))
                difference = "a copy of it has other values";
        }
        catch (Exception exception)
        {
            difference = $"building a copy of it fails: {ExceptionText.MessageOf(Innermost(exception))}";
        }

        if (difference is null)
            return;
        writer.Truncate(start);
        throw new UnsendableValueException(
            $"{ReadableName.Of(typeof(T))} would arrive changed, as a constructor or setter of {string.Join(" or ", suspects.Select(ReadableName.Of))} does more than store what it is given: {difference}; send a record with just the data.");
    }

    private bool IsSameContent(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other)
    {
        if (one.SequenceEqual(other))
            return true;
        if (!isUnordered || one.Length != other.Length)
            return false;
        // A set may write its items in another order, so it is only known how often each byte must be there.
        Span<int> counts = stackalloc int[256];
        counts.Clear();
        for (int index = 0; index < one.Length; index++)
        {
            counts[one[index]]++;
            counts[other[index]]--;
        }

        return !counts.ContainsAnyExcept(0);
    }

    private static PayloadTooLargeException? FindTooLarge(Exception? exception)
    {
        while (exception is not null and not PayloadTooLargeException)
            exception = exception.InnerException;
        return (PayloadTooLargeException?)exception;
    }

    private static Exception Innermost(Exception exception) => exception.GetBaseException();
}
