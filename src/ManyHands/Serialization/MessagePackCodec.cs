using System.Buffers.Binary;
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
    private readonly IReadOnlyDictionary<Type, Suspicion> suspects;
    private readonly bool keepsSent;

    public MessagePackCodec()
    {
        Inspection<T> inspection = SendableInspector.Inspect<T>(out shape);
        refusal = inspection.Verdict;
        check = inspection.Check;
        suspects = inspection.Suspects;
        keepsSent = suspects.Count > 0 && inspection.RefersToSharedObjects;
    }

    public override string? WhyRefused => refusal is null ? null : ExceptionText.MessageOf(refusal.ToException(typeof(T)));

    public override void Write(PayloadWriter writer, T value)
    {
        if (refusal is not null)
            throw refusal.ToException(typeof(T));
        Examine(in value);
        if (!keepsSent)
        {
            WriteAndProve(writer, value);
            return;
        }

        SharedObjects.KeepSent();
        try
        {
            WriteAndProve(writer, value);
        }
        finally
        {
            SharedObjects.ForgetSent();
        }
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

    private void WriteAndProve(PayloadWriter writer, T value)
    {
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
            Prove(writer, start, value);
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
    /// Where code of the user's takes part, or keys are what they are to each other, no look at the type tells whether a value arrives unchanged. It
    /// shows when it is read back and compared.
    /// </summary>
    private void Prove(PayloadWriter writer, int start, T value)
    {
        Difference? difference = null;
        try
        {
            bool isDeep = BinaryPrimitives.ReadInt32LittleEndian(writer.WrittenSpan[start..]) < 0;
            PayloadReader reader = new(writer.WrittenMemory[start..]);
            T copy = Read(ref reader);
            if (isDeep)
                RoomyStack.Run(() => difference = StructuralComparison.Find(value, copy));
            else
                difference = StructuralComparison.Find(value, copy);
        }
        catch (Exception exception)
        {
            difference = new("", $"can't be built again ({ExceptionText.MessageOf(Innermost(exception)).TrimEnd('.')})", [.. suspects.Keys]);
        }

        if (difference is null)
            return;
        writer.Truncate(start);
        Suspicion reason = difference.Owners.Select(FindSuspicion).FirstOrDefault(static found => found is not null) ?? suspects.Values.First();
        throw new Refusal(difference.Path, $"would arrive changed, as {reason.Reason}: it {difference.Description}", reason.Remedy).ToException(typeof(T));
    }

    // What is declared as an interface is under suspicion by that, whatever class it is.
    private Suspicion? FindSuspicion(Type owner) =>
        suspects.TryGetValue(owner, out Suspicion? found) ? found : suspects.FirstOrDefault(suspect => suspect.Key.IsInterface && suspect.Key.IsAssignableFrom(owner)).Value;

    private static PayloadTooLargeException? FindTooLarge(Exception? exception)
    {
        while (exception is not null and not PayloadTooLargeException)
            exception = exception.InnerException;
        return (PayloadTooLargeException?)exception;
    }

    private static Exception Innermost(Exception exception) => exception.GetBaseException();
}
