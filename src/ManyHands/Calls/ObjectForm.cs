using ManyHands.Serialization;

namespace ManyHands.Calls;

/// <summary>What an object is, which decides how it travels where both sides know its very class: as a function's target, or as its captured <c>this</c>.</summary>
internal sealed class ObjectForm
{
    private readonly FieldwiseCopier? fields;
    private readonly Codec? codec;

    private ObjectForm(FieldwiseCopier? fields, Codec? codec)
    {
        this.fields = fields;
        this.codec = codec;
    }

    /// <summary>Whether there is nothing in it to travel.</summary>
    public bool IsEmpty => fields is { IsEmpty: true };

    /// <summary>Whether it is copied field by field.</summary>
    public bool IsFields => fields is not null;

    /// <inheritdoc cref="FieldwiseCopier(Type, IReadOnlySet{int}?, Type?)"/>
    public static ObjectForm Of(Type type, IReadOnlySet<int>? used, Type? thisType) =>
        FieldwiseCopier.Applies(type) ? new ObjectForm(new FieldwiseCopier(type, used, thisType), null) : new ObjectForm(null, Codec.For(type));

    public void Write(PayloadWriter writer, object value)
    {
        if (fields is not null)
            fields.Write(writer, value);
        else
            codec!.WriteObject(writer, value);
    }

    public object Read(ref PayloadReader reader) =>
        fields is not null ? fields.Read(ref reader) : codec!.ReadObject(ref reader) ?? throw new InvalidPayloadException("Nothing where a function's object must be.");
}
